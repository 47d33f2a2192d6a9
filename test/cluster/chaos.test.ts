import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RedisServer } from '../support/redis.js';
import { LEASE, makeSteady, Nodes, type TestNode } from './nodes.js';

const RUNS = 3;
const SHORT_MS = LEASE.leaseMs / 4;
const LONG_MS = LEASE.leaseMs * 1.4;

const FAULTS = [
  'kill a node',
  'stop a node',
  'freeze a node shortly',
  'freeze a node for longer than its lease',
  'cut a node off from Redis',
  'freeze Redis shortly',
  'freeze Redis for longer than a lease',
  'kill Redis and restart it empty',
  'empty Redis',
  'set a clock wrong',
] as const;

type Fault = (typeof FAULTS)[number];

/** Three nodes, and a new one for each that ends. */
class Chaos {
  readonly nodes: Nodes;
  #alive: TestNode[] = [];
  #made = 0;

  constructor(readonly redis: RedisServer) {
    this.nodes = new Nodes(redis.url);
  }

  async start(): Promise<void> {
    await makeSteady(this.redis.url);
    for (let i = 0; i < 3; i++) await this.#add();
  }

  async cause(fault: Fault, which: number): Promise<void> {
    const node = this.#alive[which % this.#alive.length] as TestNode;
    const { ledger } = this.nodes;
    switch (fault) {
      case 'kill a node':
        node.die();
        return this.#replace(node);
      case 'stop a node':
        await node.stop();
        expect(ledger.heldBy(node.id)).toEqual([]);
        return this.#replace(node);
      case 'freeze a node shortly':
        node.clock.halt();
        await delay(SHORT_MS);
        return node.clock.resume();
      case 'freeze a node for longer than its lease':
        node.freeze();
        await delay(LONG_MS);
        expect(node.owned).toEqual([]);
        node.wake();
        return this.#back(node);
      case 'cut a node off from Redis':
        ledger.cutOff(node.id);
        node.redis.disconnect();
        await delay(LONG_MS);
        await node.redis.connect();
        return this.#back(node);
      case 'freeze Redis shortly':
      case 'freeze Redis for longer than a lease':
        this.redis.freeze();
        await delay(fault === 'freeze Redis shortly' ? SHORT_MS : LONG_MS);
        return this.redis.thaw();
      case 'kill Redis and restart it empty':
        return this.redis.restart();
      case 'empty Redis':
        await this.redis.cli('FLUSHALL');
        return;
      case 'set a clock wrong':
        node.clock.offMs = 5000;
        await node.beats(2);
        node.clock.offMs = 0;
    }
  }

  async recover(): Promise<void> {
    await this.nodes.balanced(...this.#alive);
    await this.nodes.stop();
    for (const { id } of this.#alive) expect(this.nodes.ledger.heldBy(id)).toEqual([]);
    expect(this.nodes.ledger.violations).toEqual([]);
  }

  async #add(): Promise<void> {
    this.#alive.push(await this.nodes.add(`n${this.#made++}`));
  }

  async #replace(node: TestNode): Promise<void> {
    this.#alive = this.#alive.filter((other) => other !== node);
    await this.#add();
  }

  /** It knows again what others may have taken. */
  async #back(node: TestNode): Promise<void> {
    await node.beats(1);
    this.nodes.ledger.back(node.id);
  }
}

it('whatever happens to nodes and Redis: never two owners that could know, and in the end all is owned, evenly', async () => {
  const faults = fc.array(fc.tuple(fc.constantFrom(...FAULTS), fc.nat(2)), { minLength: 3, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(faults, async (sequence) => {
      const redis = await RedisServer.start();
      const chaos = new Chaos(redis);
      try {
        await chaos.start();
        for (const [fault, which] of sequence) await chaos.cause(fault, which);
        await chaos.recover();
      } finally {
        redis.thaw();
        await chaos.nodes.stop();
        await redis.stop();
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  );
});

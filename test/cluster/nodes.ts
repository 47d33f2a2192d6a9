import { Redis } from 'ioredis';
import { LEASE_MS } from '../../src/cluster/membership.js';
import { Ownership, type OwnershipOptions } from '../../src/cluster/ownership.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../../src/kit/redis.js';
import { Ledger } from './ledger.js';

export const PARTITIONS = ['p0', 'p1', 'p2', 'p3', 'p4', 'p5'];
/** Shorter than in production, still far above what a busy machine stalls for. */
export const LEASE = { leaseMs: 1500, beatMs: 100 };

export type Extra = Partial<Omit<OwnershipOptions, 'node'>>;

/** Several nodes in this process, each with its own connection. */
export class Nodes {
  readonly ledger = new Ledger();
  readonly all: TestNode[] = [];
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** Resolves when it has started, which is before it owns anything. */
  async add(id: string, extra: Extra = {}, clockOffMs = 0): Promise<TestNode> {
    const node = new TestNode(id, await connect(this.#url, id), this.ledger, extra);
    node.clock.offMs = clockOffMs;
    this.all.push(node);
    await node.ownership.start();
    return node;
  }

  /** Every partition is owned, and the nodes given own them as evenly as can be. */
  balanced(...nodes: readonly TestNode[]): Promise<void> {
    return this.ledger.until(() => {
      const counts = nodes.map(({ id, ownership }) =>
        ownership.owned.size === this.ledger.ownedBy(id).length ? ownership.owned.size : -99,
      );
      return counts.reduce((a, b) => a + b, 0) === PARTITIONS.length && Math.max(...counts) - Math.min(...counts) <= 1;
    });
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((node) => node.stop()));
  }
}

export class TestNode {
  readonly ownership: Ownership;
  readonly clock = new HaltingClock();
  #running = true;

  constructor(
    readonly id: string,
    readonly redis: RedisClient,
    readonly ledger: Ledger,
    extra: Extra,
  ) {
    this.ownership = new Ownership({
      redis,
      prefix: '',
      node: { id, roles: ['ingest'], address: `${id}:8080` },
      partitions: PARTITIONS,
      info: () => {
        this.ledger.changed();
        return {};
      },
      take: async (partition) => ledger.take(id, partition),
      drop: async (partition, why) => ledger.drop(id, partition, why),
      clock: this.clock,
      log: silentLog,
      ...LEASE,
      ...extra,
    });
  }

  get owned(): readonly string[] {
    return [...this.ownership.owned];
  }

  /** As kill -9: nothing runs any more. */
  die(): void {
    this.#running = false;
    this.ledger.cutOff(this.id);
    this.clock.halt();
    closeRedis(this.redis);
  }

  /** As SIGSTOP: nothing is timed any more, until `wake`. */
  freeze(): void {
    this.ledger.cutOff(this.id);
    this.clock.halt();
  }

  wake(): void {
    this.clock.resume();
  }

  /** Resolves when this many more beats were answered. */
  async beats(count: number): Promise<void> {
    const answered = () => this.ownership.stats().beats - this.ownership.stats().failures;
    const goal = answered() + count + 1;
    await this.ledger.until(() => answered() >= goal);
  }

  async stop(): Promise<void> {
    if (!this.#running) return;
    this.#running = false;
    this.clock.resume();
    await this.ownership.stop();
    closeRedis(this.redis);
  }
}

/** The system's clock with timers that can be held up, and an error that can be set. */
export class HaltingClock implements Clock {
  /** How far this clock is off. */
  offMs = 0;
  #halted = false;

  now(): number {
    return systemClock.now() + this.offMs;
  }

  every(periodMs: number, run: () => void): () => void {
    return systemClock.every(periodMs, () => {
      if (!this.#halted) run();
    });
  }

  after(delayMs: number, run: () => void): () => void {
    return systemClock.after(delayMs, run);
  }

  halt(): void {
    this.#halted = true;
  }

  resume(): void {
    this.#halted = false;
  }
}

/** Resolves when commands can be sent, or when it turned out that they cannot. */
export async function connect(url: string, name = 'test'): Promise<RedisClient> {
  const redis = createRedis(url, { name, log: silentLog });
  await new Promise<unknown>((resolve) => {
    redis.once('ready', resolve);
    redis.once('error', resolve);
  });
  return redis;
}

/** Makes Redis look as if it had been there for long, so that a test need not wait for it. Lasts as long as something beats. */
export async function makeSteady(url: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true });
  await redis.connect();
  await redis.set('{cluster}:since', '1', 'PX', LEASE_MS);
  redis.disconnect();
}

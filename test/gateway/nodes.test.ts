import { setImmediate as immediate, setTimeout as later } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { MarketEvent } from '../../src/market/event.js';
import type { TestClient } from './client.js';
import { Follower } from './follower.js';
import { Harness } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';
const SPEED = 20;

/** Waits take a twentieth of their time. */
const fastClock: Clock = {
  now: () => Date.now() * SPEED,
  every(periodMs, run) {
    const timer = setInterval(run, periodMs / SPEED);
    return () => clearInterval(timer);
  },
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs / SPEED);
    return () => clearTimeout(timer);
  },
};

/** A client of several nodes that comes back with its position to any of them. */
class Wanderer {
  readonly follower = new Follower(CHANNEL);
  #client: TestClient | null = null;

  get client(): TestClient | null {
    return this.#client;
  }

  /** @returns whether it is subscribed; where the node cannot answer now, it is not. */
  async goTo(node: Harness<LossyBus>): Promise<boolean> {
    await this.leave();
    const client = await node.client();
    this.#client = client;
    const { started, epoch, seq } = this.follower;
    const item = started ? { channel: CHANNEL, position: { epoch, seq } } : { channel: CHANNEL, snapshot: 20 };
    client.send({ op: 'subscribe', channels: [item] });
    const reply = await client.until((m) => m.type === 'subscribed' || m.type === 'error');
    if (reply.type === 'error') expect(reply.code).toBe('history_unavailable');
    else if (started) expect(reply).toMatchObject({ recovered: true });
    return reply.type === 'subscribed';
  }

  /** Without a word. */
  async leave(): Promise<void> {
    const client = this.#client;
    if (client === null) return;
    this.#client = null;
    client.socket.terminate();
    await client.closed();
    this.follower.read(client.messages);
    expect(client.all('resync').every(({ recovered }) => recovered)).toBe(true);
  }
}

describe('nodes over buses that lose, double, go away and forget', () => {
  const KINDS = ['close', 'close', 'close', 'update', 'correct', 'gap', 'takeOver'] as const;
  const TROUBLES = ['down', 'up', 'up', 'empty', 'filled', 'filled', 'hop', 'hop', 'yield', 'wait', 'again'] as const;
  const step = fc.record({
    what: fc.oneof(fc.constantFrom(...KINDS), fc.constantFrom(...TROUBLES)),
    node: fc.nat(1),
    lost: fc.tuple(fc.boolean(), fc.boolean()),
    n: fc.nat(100),
  });
  type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

  function produce(market: TestMarket, { what, n }: Step): MarketEvent[] | null {
    if (what === 'close') return market.close();
    if (what === 'update') return market.update();
    if (what === 'correct') return market.correct(n % 50);
    if (what === 'gap') return market.gap(1 + (n % 4));
    if (what !== 'takeOver') return null;
    market.takeOver();
    return n % 2 === 0 ? [] : market.update();
  }

  async function trouble(nodes: readonly Harness<LossyBus>[], { what, node, n }: Step): Promise<void> {
    const bus = nodes[node]?.bus;
    if (what === 'yield') await immediate();
    else if (what === 'wait') await later(n / 10);
    else if (what === 'down' || what === 'up') bus?.setUp(what === 'up');
    else if (bus && (what === 'empty' || what === 'filled')) bus.empty = what === 'empty';
  }

  async function run(steps: readonly Step[]): Promise<void> {
    let turn = 0;
    const slow = async (): Promise<void> => {
      turn += 7;
      for (let i = turn % 5; i > 0; i--) await immediate();
    };
    const market = new TestMarket('BTCUSDT', slow);
    market.closeMany(140);
    const nodes = await Promise.all(
      [0, 1].map(() => Harness.over(new LossyBus(market), market, 'uws', {}, silentLog, fastClock)),
    );
    const wanderer = new Wanderer();
    let isFollowing = await wanderer.goTo(nodes[0] as Harness<LossyBus>);
    const stayer = new Wanderer();
    await stayer.goTo(nodes[1] as Harness<LossyBus>);
    const past: MarketEvent[][] = [];
    for (const one of steps) {
      const events = produce(market, one);
      if (events) {
        past.push(events);
        nodes.forEach(({ bus }, i) => {
          if (events.length > 0 && !one.lost[i]) bus.publish(events);
        });
      } else if (one.what === 'again') {
        nodes[one.node]?.bus.publish(past.at(-1 - (one.n % 5)) ?? []);
      } else if (one.what === 'hop') isFollowing = await wanderer.goTo(nodes[one.node] as Harness<LossyBus>);
      else await trouble(nodes, one);
    }
    for (const { bus } of nodes) {
      bus.empty = false;
      bus.setUp(true);
    }
    while (!isFollowing) isFollowing = await wanderer.goTo(nodes[0] as Harness<LossyBus>);
    for (const { client, follower } of [wanderer, stayer]) {
      const known = follower.seq;
      if (known !== market.seq) await client?.until((m) => 'seq' in m && m.seq === market.seq);
    }
    for (const one of [wanderer, stayer]) {
      await one.client?.sync();
      await one.leave();
      one.follower.expectTruth(market, '1m');
    }
    for (const node of nodes) await node.stop();
  }

  it('show their clients no hole, nothing twice, nothing out of order, whichever they come back to', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60 }), run), {
      numRuns: 40,
      endOnFailure: true,
    });
  }, 60_000);
});

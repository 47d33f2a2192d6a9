import { setImmediate as immediate, setTimeout as later } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Client, type Cursor } from '../../src/client/index.js';
import { silentLog } from '../../src/kit/log.js';
import type { MarketEvent } from '../../src/market/event.js';
import { toWireCandle } from '../../src/wire/messages.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { Harness } from '../gateway/harness.js';
import { LossyBus } from '../gateway/lossy-bus.js';
import { TestMarket } from '../gateway/market.js';
import { Collector } from './collector.js';

const QUICK = {
  heartbeatMs: 40,
  sweepMs: 10,
  pingPeriodMs: 20,
  lingerMs: 20,
  watchMs: 20,
  catchUpMs: 100,
  lagTimeoutMs: 500,
};
const RECONNECT = { baseMs: 5, capMs: 20 };
const HISTORY = 20;

const KINDS = ['close', 'close', 'close', 'update', 'correct', 'correct', 'gap'] as const;
const TROUBLES = [
  'reset',
  'cutSoon',
  'restart',
  'blackhole',
  'heal',
  'yield',
  'wait',
  'join',
  'again',
  'crawl',
] as const;
const step = fc.record({
  what: fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...KINDS) }, fc.constantFrom(...TROUBLES)),
  node: fc.nat(1),
  n: fc.nat(100),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Two gateways of one market, each behind a proxy. */
class Stand {
  readonly market = new TestMarket('BTCUSDT');
  readonly nodes: Harness<LossyBus>[] = [];
  readonly proxies: FaultProxy[] = [];
  readonly stopping: Promise<unknown>[] = [];

  async start(): Promise<void> {
    this.market.closeMany(140);
    for (let i = 0; i < 2; i++) {
      const node = await this.#node();
      this.nodes.push(node);
      this.proxies.push(await FaultProxy.to({ port: node.port }));
    }
  }

  #node(): Promise<Harness<LossyBus>> {
    return Harness.over(new LossyBus(this.market), this.market, 'uws', QUICK, silentLog);
  }

  publish(events: MarketEvent[]): void {
    for (const { bus } of this.nodes) bus.publish(events);
  }

  /** Drains one and puts another in its place. */
  async restart(i: number): Promise<void> {
    const [old, proxy] = [this.nodes[i], this.proxies[i]];
    const node = await this.#node();
    this.nodes[i] = node;
    if (proxy !== undefined) proxy.target = { port: node.port };
    if (old !== undefined) this.stopping.push(old.gateway.close());
  }

  async heal(): Promise<void> {
    for (const proxy of this.proxies) await proxy.heal();
  }

  async stop(): Promise<void> {
    for (const proxy of this.proxies) await proxy.stop();
    await Promise.all(this.stopping);
    for (const node of this.nodes) await node.stop();
  }
}

/** A program that dies without a word and begins anew from what it has saved. */
class Restarting {
  readonly collector = new Collector();
  saved: Cursor | null = null;
  #life = 0;

  constructor(
    readonly client: Client,
    readonly crawls: () => boolean,
  ) {
    this.start();
  }

  start(): void {
    void this.#run(++this.#life).catch((error: unknown) => {
      this.collector.ended = { error };
      this.collector.wake();
    });
  }

  async #run(life: number): Promise<void> {
    const stream = this.client.candles('BTCUSDT', '1m', { history: HISTORY, from: this.saved, buffer: 8 });
    for await (const item of stream) {
      if (life !== this.#life) return;
      this.collector.take([item]);
      this.saved = item.cursor;
      if (this.crawls()) await later(3);
    }
  }
}

function produce(market: TestMarket, { what, n }: Step): MarketEvent[] | null {
  if (what === 'close') return market.close();
  if (what === 'update') return market.update();
  if (what === 'correct') return market.correct(n % 50);
  if (what === 'gap') return market.gap(1 + (n % 4));
  return null;
}

async function trouble(stand: Stand, { what, node, n }: Step): Promise<void> {
  const proxy = stand.proxies[node];
  if (what === 'reset') proxy?.reset();
  else if (what === 'cutSoon') proxy?.cutAfter(n * 40, 'down');
  else if (what === 'restart') await stand.restart(node);
  else if (what === 'blackhole') proxy?.blackhole(n % 2 === 0 ? 'down' : 'both');
  else if (what === 'heal') await proxy?.heal();
  else if (what === 'yield') await immediate();
  else if (what === 'wait') await later(n / 4);
}

async function run(steps: readonly Step[]): Promise<void> {
  const stand = new Stand();
  await stand.start();
  const url = stand.proxies.map(({ port }) => `http://127.0.0.1:${port}`);
  const client = new Client({ url, reconnect: RECONNECT });
  let isCrawling = false;
  const first = new Collector(client.candles('BTCUSDT', '1m', { history: HISTORY }));
  const readers = [first];
  const program = new Restarting(client, () => isCrawling);
  try {
    for (const one of steps) {
      const events = produce(stand.market, one);
      if (events !== null) stand.publish(events);
      else if (one.what === 'join' && readers.length < 4) {
        readers.push(new Collector(client.candles('BTCUSDT', '1m', { history: 1 + one.n, buffer: 5 + one.n })));
      } else if (one.what === 'again') program.start();
      else if (one.what === 'crawl') isCrawling = !isCrawling;
      else await trouble(stand, one);
    }
    await stand.heal();
    isCrawling = false;
    stand.publish(stand.market.close());
    const last = stand.market.now - 60_000;
    const all = [...readers, program.collector];
    await Promise.all(all.map((one) => one.until(({ closed }) => closed.has(last))));
    for (const one of all) expectTruth(one, stand.market);
  } finally {
    client.close();
    await stand.stop();
  }
}

/** From its first candle on it has what the market has, and every gap among them. */
function expectTruth({ items, candles, gaps, resets }: Collector, market: TestMarket): void {
  expect(resets).toBe(0);
  // A correction of what came before the first one is news too.
  const truth = market.candles('1m').map(toWireCandle);
  const begin = items.find((item) => item.type === 'candle' && item.x && !item.correction);
  const first = begin?.type === 'candle' ? begin.t : 0;
  expect(candles.filter(({ t }) => t >= first)).toEqual(truth.filter(({ t }) => t >= first));
  const due = market.gaps.filter((gap) => gap.from > first && market.minutes.has(gap.to));
  const told = gaps.map((gap) => gap.type === 'gap' && gap.from);
  expect(told).toEqual(expect.arrayContaining(due.map((gap) => gap.from)));
}

describe('connections that die at any point, servers that drain, readers that crawl and programs that begin anew', () => {
  it('leave nobody with a hole, a double or anything out of order', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 50 }), run), {
      numRuns: 20,
      endOnFailure: true,
    });
  }, 60_000);
});

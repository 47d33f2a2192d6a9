import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocketServer } from 'ws';
import { LocalBus } from '../../src/bus/local.js';
import { Client, type ClientOptions, type ConnectionState } from '../../src/client/index.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { Harness } from '../gateway/harness.js';
import { LossyBus } from '../gateway/lossy-bus.js';
import { TestMarket } from '../gateway/market.js';
import { documents, ROOT, read } from '../project/files.js';
import { Collector } from './collector.js';

const DIST = process.env.CANDLECAST_DIST ?? join(ROOT, 'dist');
const QUICK = { heartbeatMs: 40, sweepMs: 10, lingerMs: 20, watchMs: 10, catchUpMs: 50 };
const RECONNECT = { baseMs: 5, capMs: 20 };

let stops: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  stops = [];
});

function marketOf(candles: number, symbol = 'BTCUSDT'): TestMarket {
  const market = new TestMarket(symbol);
  market.closeMany(candles);
  return market;
}

async function node(market: TestMarket, limits = {}): Promise<Harness> {
  const harness = await Harness.start(market, 'uws', { ...QUICK, ...limits });
  stops.push(() => harness.stop());
  return harness;
}

function clientOf(url: ClientOptions['url'], more: Partial<ClientOptions> = {}): Client {
  const client = new Client({ url, reconnect: RECONNECT, ...more });
  stops.push(() => client.close());
  return client;
}

async function until(client: Client, isReached: (state: ConnectionState) => boolean): Promise<void> {
  while (!isReached(client.state)) await immediate();
}

const local = (port: number): string => `http://127.0.0.1:${port}`;

describe('the connection', () => {
  it('goes to another node when its own drains, without a hole', async () => {
    const market = marketOf(100);
    const nodes = [await node(market), await node(market)];
    const client = clientOf(nodes.map(({ port }) => local(port)));
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 3 }));
    await got.until(({ closed }) => closed.size === 3);
    const [own, other] = nodes[0]?.gateway.stats.connections === 1 ? nodes : nodes.reverse();
    await own?.gateway.close();
    const events = market.close();
    other?.bus.publish(events);
    await got.until(({ closed }) => closed.size === 4);
    expect(other?.gateway.stats.connections).toBe(1);
    expect(client.state).toMatchObject({ kind: 'live', url: expect.stringContaining(String(other?.port)) });
  });

  it('that is dead without a word is noticed: stale, then a new one', async () => {
    const harness = await node(marketOf(100));
    const proxy = await FaultProxy.to({ port: harness.port });
    stops.push(() => proxy.stop());
    const client = clientOf(local(proxy.port));
    const states: string[] = [];
    client.onState((state) => states.push(state.kind === 'stale' ? state.reason : state.kind));
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 3 }));
    await got.until(({ closed }) => closed.size === 3);
    proxy.blackhole('down');
    await until(client, ({ kind }) => kind === 'waiting');
    await proxy.heal();
    await until(client, ({ kind }) => kind === 'live');
    expect(states.slice(0, 4)).toEqual(['connecting', 'live', 'silent', 'waiting']);
    expect(client.roundTripMs === null || client.roundTripMs >= 0).toBe(true);
  });

  it('says when the server is cut off from its source', async () => {
    const market = marketOf(100);
    const bus = new LossyBus(market);
    const harness = await Harness.over(bus, market, 'uws', QUICK);
    stops.push(() => harness.stop());
    const client = clientOf(local(harness.port));
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 3 }));
    await got.until(({ closed }) => closed.size === 3);
    bus.setUp(false);
    await until(client, (state) => state.kind === 'stale' && state.reason === 'source');
    market.close();
    bus.setUp(true);
    await until(client, ({ kind }) => kind === 'live');
    await got.until(({ closed }) => closed.size === 4);
  });

  it.each([
    [1001, true],
    [1011, true],
    [1012, true],
    [1013, true],
    [4001, true],
    [4099, true],
    [1008, false],
    [1009, false],
    [4101, false],
    [4102, false],
    [4103, false],
    [4104, false],
    [4105, false],
    [4199, false],
  ])('closed with %i: comes back: %s', async (code, comesBack) => {
    let connections = 0;
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: () => 'candlecast.v1.json' });
    stops.push(() => server.close());
    server.on('connection', (socket) => {
      connections++;
      if (connections === 1) socket.close(code, 'said so');
    });
    await once(server, 'listening');
    const client = clientOf(local((server.address() as AddressInfo).port));
    const next = client.candles('BTCUSDT', '1m').next();
    if (comesBack) {
      while (connections < 2) await immediate();
      client.close();
      expect(await next).toEqual({ done: true, value: undefined });
    } else {
      await expect(next).rejects.toMatchObject({ code: `closed_${code}`, message: 'said so' });
      expect(client.state.kind).toBe('failed');
      expect(connections).toBe(1);
    }
  });

  it('is refused by name: symbols and intervals that are none, addresses', async () => {
    const harness = await node(marketOf(1));
    const client = clientOf(local(harness.port));
    await expect(client.candles('NOPE', '1m').next()).rejects.toMatchObject({ code: 'unknown_symbol' });
    await expect(client.candles('BTCUSDT', '2m' as '1m').next()).rejects.toMatchObject({ code: 'bad_channel' });
    expect(() => new Client({ url: 'nowhere' })).toThrow(TypeError);
    expect(() => new Client({ url: [] })).toThrow(TypeError);
  });
});

it('many channels: asked for in few messages, also after a cut', async () => {
  const markets = new Map(Array.from({ length: 300 }, (_, i) => [`S${i}`, marketOf(5, `S${i}`)]));
  const some = markets.get('S0') as TestMarket;
  const bus = new LocalBus(async (symbol, interval) => (await markets.get(symbol)?.windowOf(symbol, interval)) ?? null);
  const harness = await Harness.over(bus, some, 'uws', { ...QUICK, heartbeatMs: 1_000 });
  stops.push(() => harness.stop());
  const proxy = await FaultProxy.to({ port: harness.port });
  stops.push(() => proxy.stop());
  const client = clientOf(local(proxy.port));
  const all = [...markets.keys()].map((symbol) => {
    const got = new Collector();
    client.onCandles(symbol, '1m', { history: 2 }, got.take);
    return got;
  });
  for (const one of all) await one.until(({ closed }) => closed.size === 2);
  proxy.reset();
  for (const market of markets.values()) bus.publish(market.close());
  for (const one of all) await one.until(({ closed }) => closed.size === 3);
  expect(harness.gateway.stats.errors).toEqual({});
  expect(harness.gateway.stats.subscriptions).toBe(300);
});

it('a slow reader holds a bounded number, and gets every close', async () => {
  const market = marketOf(10);
  const harness = await node(market);
  const client = clientOf(local(harness.port));
  const stream = client.candles('BTCUSDT', '1m', { buffer: 20 }) as AsyncIterableIterator<{ t: number; x: boolean }> & {
    waiting: number;
  };
  const first = stream.next();
  while (harness.gateway.stats.subscriptions === 0) await immediate();
  let most = 0;
  for (let i = 0; i < 300; i++) {
    for (let n = 0; n < 5; n++) harness.bus.publish(market.update());
    harness.bus.publish(market.close());
    await immediate();
    most = Math.max(most, stream.waiting);
  }
  await first;
  expect(most).toBeLessThanOrEqual(22);
  const closed: number[] = [];
  for await (const item of stream) {
    if (item.x) closed.push(item.t);
    if (item.t === market.now - 60_000 && item.x) break;
  }
  expect(closed.slice(-299)).toEqual(
    market
      .candles('1m')
      .slice(-299)
      .map(({ openTime }) => openTime),
  );
});

describe('ending', () => {
  it('by a signal, by break, by close: quietly, and nothing is left at the server', async () => {
    const harness = await node(marketOf(10));
    const client = clientOf(local(harness.port));
    const stop = new AbortController();
    const got = new Collector(client.candles('BTCUSDT', '1m', { history: 2, signal: stop.signal }));
    await got.until(({ closed }) => closed.size === 2);
    for await (const _ of client.candles('BTCUSDT', '5m', { history: 1 })) break;
    stop.abort();
    expect(await got.end()).toBeNull();
    expect(client.state.kind).toBe('idle');
    while (harness.gateway.stats.connections > 0) await immediate();
    const aborted = client.candles('BTCUSDT', '1m', { signal: AbortSignal.abort() });
    expect(await aborted.next()).toMatchObject({ done: true });
    const more = client.candles('BTCUSDT', '1m', { history: 1 });
    expect((await more.next()).value).toMatchObject({ type: 'candle' });
    client.close();
    client.close();
    expect(await more.next()).toMatchObject({ done: true });
    expect(await client.candles('BTCUSDT', '1m').next()).toMatchObject({ done: true });
    expect(client.state.kind).toBe('closed');
  });

  it('a listener that throws ends its own subscription, and is told', async () => {
    const harness = await node(marketOf(10));
    const client = clientOf(local(harness.port));
    const error = await new Promise<Error | null>((onEnd) => {
      client.onCandles('BTCUSDT', '1m', { history: 1, onEnd }, () => {
        throw new RangeError('mine');
      });
    });
    expect(error).toBeInstanceOf(RangeError);
    expect(harness.gateway.stats.connections).toBe(1);
  });

  it.each(['live', 'waiting', 'connecting'])('leaves no handle in a process that is %s', async (when) => {
    const harness = await node(marketOf(10));
    const silent = await FaultProxy.to({ port: harness.port });
    stops.push(() => silent.stop());
    if (when === 'connecting') silent.blackhole();
    const url = when === 'waiting' ? local(1) : local(silent.port);
    const code = `
      import { Client } from ${JSON.stringify(pathToFileURL(join(DIST, 'client/index.js')).href)};
      const stop = new AbortController();
      const client = new Client({ url: ${JSON.stringify(url)}, signal: stop.signal });
      client.onState(({ kind }) => { if (kind === '${when}') setTimeout(() => stop.abort(), 20); });
      for await (const _ of client.candles('BTCUSDT', '1m'));
      process.stdout.write('ended');`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(said).toBe('ended');
  });
});

describe('the bundle', () => {
  const bundle = readFileSync(join(DIST, 'client', 'index.js'));

  it('is below 12 kB, without zod', () => {
    expect(gzipSync(bundle, { level: 9 }).length).toBeLessThan(12 * 1024);
    expect(bundle.toString()).not.toMatch(/zod/i);
  });

  it('has types that name nothing but its own and the vocabulary', () => {
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      const text = readFileSync(file, 'utf8');
      for (const [, from = ''] of text.matchAll(/from '([^']+)'/g)) {
        expect(from, file).toMatch(/^\.{1,2}\//);
        visit(join(file, '..', from.replace(/\.js$/, '.d.ts')));
      }
    };
    visit(join(DIST, 'client', 'index.d.ts'));
    expect(seen.size).toBeGreaterThan(4);
  });
});

it('the snippets of docs/client.md are JavaScript', async () => {
  expect(documents()).toContain('docs/client.md');
  const { transform } = await import('esbuild');
  const snippets = [...read('docs/client.md').matchAll(/^```(js|ts)\n([\s\S]+?)^```$/gm)];
  expect(snippets.length).toBeGreaterThan(3);
  for (const [, loader, code = ''] of snippets) await transform(code, { loader: loader === 'ts' ? 'ts' : 'js' });
});

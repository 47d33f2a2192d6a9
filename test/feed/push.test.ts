import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { PushFeed } from '../../src/feed/push/push.js';
import { systemClock } from '../../src/kit/clock.js';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import { bundled } from '../support/bundle.js';
import { ManualClock, settle } from './manual-clock.js';
import { bench, storedUpTo } from './recorder.js';

const root = mkdtempSync(join(tmpdir(), 'candlecast-push-'));
afterAll(() => rmSync(root, { recursive: true }));
const NOW = Date.UTC(2026, 4, 17, 12, 0, 0);

function item(id: number, time: number, symbol = 'BTC-USD') {
  return { symbol, id, time, price: '100.5', quantity: '2', side: 'buy' };
}

async function started(clock: ManualClock, dataDir = mkdtempSync(join(root, 'd-')), stored = {}) {
  const context = bench(clock, dataDir, stored);
  const feed = new PushFeed(context, new Map([['BTCDEMO', 'demo']]));
  await feed.catchUp(() => {});
  const redelivered = context.sink.trades.map((trade) => trade.id);
  await feed.start();
  return { feed, sink: context.sink, log: context.log, clock, dataDir, redelivered };
}

const accepts = (accepted: number) => ({ accepted, duplicates: 0, corrected: 0, rejected: [] });

test('accepted, duplicate and rejected trades are told apart, by their place in the request', async () => {
  const { feed, sink } = await started(new ManualClock(NOW));
  const answer = await feed.push(
    [
      item(2, NOW - 10),
      { ...item(3, NOW), price: 'NaN' },
      item(1, NOW - 20),
      item(2, NOW - 10),
      item(9, NOW, 'BTCDEMO'),
    ],
    '',
  );
  expect(answer).toMatchObject({ accepted: 2, duplicates: 1, corrected: 0 });
  expect(answer.rejected.map(({ index, code }) => [index, code])).toEqual([
    [1, 'bad_price'],
    [4, 'symbol_taken'],
  ]);
  expect(sink.trades.map((trade) => trade.id)).toEqual([1, 2, 2]);
  expect(feed.quarantine.counts).toEqual(
    new Map([
      ['bad_price', 1],
      ['symbol_taken', 1],
    ]),
  );
  expect(feed.symbols).toEqual(['BTC-USD']);
  await feed.stop();
});

test('trades more than 60 minutes behind their symbol come back as too late', async () => {
  const { feed } = await started(new ManualClock(NOW));
  await feed.push([item(5, NOW)], '');
  const answer = await feed.push([item(4, NOW - HOUR_MS - 1)], '');
  expect(answer).toMatchObject({ accepted: 0, rejected: [{ index: 0, code: 'too_late' }] });
  await feed.stop();
});

test('while a collector is alive the wall clock is the clock, and 30 s after its last request it stands still', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW)], '');
  await clock.run(NOW + 29_000);
  expect(sink.clocks.get('BTC-USD')).toBeGreaterThan(NOW + 28_500);
  expect(sink.stateOf('BTC-USD')).toBe('live');
  await clock.run(NOW + 90_000);
  expect(sink.clocks.get('BTC-USD')).toBeLessThanOrEqual(NOW + 30_000);
  expect(sink.stateOf('BTC-USD')).toBe('stale');
  await feed.stop();
});

test('the stretch without the collector is announced before the next trade, from its last request on', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW - 5000)], '');
  await clock.run(NOW + 600_000);
  await feed.push([item(50, NOW + 599_000)], '');
  expect(sink.gaps).toEqual([{ symbol: 'BTC-USD', from: NOW, to: NOW + 599_000 }]);
  const at = sink.calls.findIndex((call) => call.call === 'gap');
  expect(sink.calls[at + 1]).toMatchObject({ call: 'trade', trade: { id: 50 } });
  expect(sink.calls.slice(0, at).every((call) => call.call !== 'advance' || call.time <= NOW + 30_000)).toBe(true);
  await clock.run(NOW + 610_000);
  expect(sink.stateOf('BTC-USD')).toBe('live');
  await feed.stop();
});

test('the next id proves that nothing was missed', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW)], '');
  await clock.run(NOW + 600_000);
  await feed.push([item(2, NOW + 599_000)], '');
  expect(sink.gaps).toEqual([]);
  await feed.stop();
});

test('heartbeats keep quiet symbols alive, of their own collector only', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW, 'A')], 'one');
  await feed.push([item(1, NOW, 'B')], 'two');
  for (let at = 20_000; at <= 120_000; at += 20_000) {
    await clock.run(NOW + at);
    expect(await feed.push([], 'one')).toEqual(accepts(0));
  }
  expect([sink.stateOf('A'), sink.stateOf('B')]).toEqual(['live', 'stale']);
  expect(sink.clocks.get('A')).toBeGreaterThan(NOW + 119_000);
  expect(sink.clocks.get('B')).toBeLessThanOrEqual(NOW + 30_000);
  await feed.push([item(9, NOW + 119_000, 'A')], 'one');
  expect(sink.gaps).toEqual([]);
  await feed.stop();
});

test('a live request vouches for the quiet symbols of its collector too', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW, 'A'), item(1, NOW, 'B')], '');
  for (let at = 20_000; at <= 100_000; at += 20_000) {
    await clock.run(NOW + at);
    await feed.push([item(at, NOW + at, 'A')], '');
  }
  await clock.run(NOW + 110_000);
  expect(sink.stateOf('B')).toBe('live');
  await feed.stop();
});

test('a heartbeat after a silence announces the stretch and starts the clock again', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  await feed.push([item(1, NOW)], '');
  await clock.run(NOW + 300_000);
  await feed.push([], '');
  expect(sink.gaps).toEqual([{ symbol: 'BTC-USD', from: NOW, to: NOW + 300_000 }]);
  await clock.run(NOW + 310_000);
  expect(sink.clocks.get('BTC-USD')).toBeGreaterThan(NOW + 309_000);
  await feed.stop();
});

test('pushed history has event time for its clock, whatever the pauses; only a day of silence is a gap', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  const old = NOW - 10 * 24 * HOUR_MS;
  await feed.push([item(1, old), item(3, old + HOUR_MS)], '');
  await clock.run(NOW + 20_000);
  expect(sink.clocks.get('BTC-USD')).toBe(old + HOUR_MS);
  await clock.run(NOW + 120_000);
  expect(sink.stateOf('BTC-USD')).toBe('stale');
  await feed.push([item(8, old + 2 * HOUR_MS)], '');
  expect(sink.gaps).toEqual([]);
  await feed.push([item(11, old + 30 * HOUR_MS), item(20, old + 31 * HOUR_MS)], '');
  expect(sink.gaps).toEqual([{ symbol: 'BTC-USD', from: old + 2 * HOUR_MS + MINUTE_MS, to: old + 30 * HOUR_MS }]);
  await feed.stop();
});

test('after a restart the acknowledged trades and the gaps among them come again, in order', async () => {
  const clock = new ManualClock(NOW);
  const first = await started(clock);
  await first.feed.push([item(2, NOW), item(1, NOW - 10)], 'c');
  await clock.run(NOW + 120_000);
  await first.feed.push([item(7, NOW + 119_000)], 'c');
  await first.feed.stop();
  const calls = first.sink.calls.filter((call) => call.call !== 'advance');
  const second = await started(clock, first.dataDir);
  expect(second.sink.calls.filter((call) => call.call !== 'advance')).toEqual(calls);
  expect(second.sink.stateOf('BTC-USD')).toBe('stale');
  await second.feed.push([item(9, NOW + 120_000)], 'c');
  expect(second.sink.gaps).toEqual([{ symbol: 'BTC-USD', from: NOW, to: NOW + 119_000 }]);
  await second.feed.stop();
});

test('only what lies behind the point of re-delivery comes again', async () => {
  const clock = new ManualClock(NOW);
  const first = await started(clock);
  await first.feed.push([item(1, NOW - 3 * HOUR_MS), item(2, NOW - HOUR_MS), item(3, NOW)], '');
  await first.feed.stop();
  const stored = { 'BTC-USD': storedUpTo(NOW) };
  const second = await started(clock, first.dataDir, stored);
  expect(second.redelivered).toEqual([2, 3]);
  expect(second.sink.clocks.get('BTC-USD')).toBe(NOW + MINUTE_MS + 2000);
  await second.feed.stop();
});

test('after a restart the stretch since the last sign of life is announced', async () => {
  const clock = new ManualClock(NOW);
  const first = await started(clock);
  await first.feed.push([item(1, NOW)], '');
  await first.feed.stop();
  await clock.jump(NOW + 10 * MINUTE_MS);
  const stored = { 'BTC-USD': storedUpTo(NOW + MINUTE_MS) };
  const second = await started(clock, first.dataDir, stored);
  await second.feed.push([item(5, NOW + 10 * MINUTE_MS)], '');
  expect(second.sink.gaps).toEqual([{ symbol: 'BTC-USD', from: NOW + 2 * MINUTE_MS, to: NOW + 10 * MINUTE_MS }]);
  await second.feed.stop();
});

test('requests that come together are folded in the order they came', async () => {
  const { feed, sink } = await started(new ManualClock(NOW));
  const answers = await Promise.all(Array.from({ length: 50 }, (_, id) => feed.push([item(id, NOW - 1000 + id)], '')));
  expect(answers).toEqual(Array.from({ length: 50 }, () => accepts(1)));
  expect(sink.trades.map((trade) => trade.id)).toEqual(Array.from({ length: 50 }, (_, id) => id));
  await feed.stop();
});

test('what cannot be made durable is refused and leaves no trace', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink, dataDir } = await started(clock);
  const journal = join(dataDir, 'journal');
  rmSync(journal, { recursive: true });
  writeFileSync(journal, 'in the way');
  await expect(feed.push([item(1, NOW)], '')).rejects.toMatchObject({ name: 'PushUnavailableError' });
  expect(sink.trades).toEqual([]);
  expect(feed.symbols).toEqual([]);
  rmSync(journal);
  await expect(feed.push([item(1, NOW)], '')).rejects.toMatchObject({ name: 'PushUnavailableError' });
  await feed.stop();
});

test('while durable storage is behind, requests wait 5 s and are then refused', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  sink.gate = new Promise(() => {});
  const refused = expect(feed.push([item(1, NOW)], '')).rejects.toThrow('durable storage is behind');
  await clock.run(NOW + 5000);
  await refused;
  sink.gate = Promise.resolve();
  expect(await feed.push([item(1, NOW)], '')).toEqual(accepts(1));
  await feed.stop();
});

test('too many trades waiting are refused, so that memory stays bounded', async () => {
  const clock = new ManualClock(NOW);
  const { feed, sink } = await started(clock);
  sink.gate = new Promise(() => {});
  const many = Array.from({ length: 100_000 }, (_, id) => item(id, NOW));
  const waiting = expect(feed.push(many, '')).rejects.toMatchObject({ name: 'PushUnavailableError' });
  await expect(feed.push([item(1, NOW)], '')).rejects.toThrow('100000 trades are waiting');
  await clock.run(NOW + 5000);
  await waiting;
  await feed.stop();
});

test('before the start and after the stop nothing is taken', async () => {
  const context = bench(new ManualClock(NOW), mkdtempSync(join(root, 'd-')));
  const feed = new PushFeed(context, new Map());
  await expect(feed.push([item(1, NOW)], '')).rejects.toMatchObject({ name: 'PushUnavailableError' });
  await feed.catchUp(() => {});
  await feed.start();
  await feed.stop();
  await expect(feed.push([item(1, NOW)], '')).rejects.toMatchObject({ name: 'PushUnavailableError' });
});

test('segments are deleted once everything in them is too old, and not before', async () => {
  const clock = new ManualClock(NOW);
  const { feed, dataDir, sink } = await started(clock);
  const names = () => readdirSync(join(dataDir, 'journal'));
  const big = (from: number, time: number) => Array.from({ length: 9000 }, (_, i) => item(from + i, time));
  for (let part = 0; part < 6; part++) await feed.push(big(part * 9000, NOW - part), '');
  const full = names().length;
  expect(full).toBeGreaterThan(2);
  await clock.run(NOW + 65_000);
  await settle();
  expect(names().length).toBe(full);
  for (let at = 75; at <= 80 * 60; at += 20) {
    await clock.run(NOW + at * 1000);
    await feed.push([item(100_000 + at, clock.now())], '');
  }
  await clock.run(clock.now() + 70_000);
  await feed.stop();
  expect(names().length).toBeLessThan(full);
  const again = await started(clock, dataDir, {
    'BTC-USD': storedUpTo(Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS - MINUTE_MS),
  });
  const horizon = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS - MINUTE_MS - HOUR_MS;
  const expected = sink.trades.filter((trade) => trade.time >= horizon).map((trade) => trade.id);
  expect(again.redelivered).toEqual(expected);
  await again.feed.stop();
});

test('a torn record is dropped with a warning, a corrupt one is an error', async () => {
  const clock = new ManualClock(NOW);
  const { feed, dataDir } = await started(clock);
  await feed.push([item(1, NOW)], '');
  await feed.push([item(2, NOW)], '');
  await feed.stop();
  const [name = ''] = readdirSync(join(dataDir, 'journal'));
  const path = join(dataDir, 'journal', name);
  const bytes = readFileSync(path);
  writeFileSync(path, bytes.subarray(0, bytes.length - 3));
  const torn = await started(clock, dataDir);
  expect(torn.redelivered).toEqual([1]);
  expect(torn.log.lines.map(({ level }) => level)).toEqual(['warn']);
  await torn.feed.stop();
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const corrupt = await started(clock, dataDir);
  expect(corrupt.redelivered).toEqual([]);
  expect(corrupt.log.lines.map(({ level }) => level)).toEqual(['error']);
  await corrupt.feed.stop();
});

test('kill -9: every acknowledged trade comes again', { timeout: 120_000 }, async () => {
  const dataDir = mkdtempSync(join(root, 'kill-'));
  const program = await bundled('test/feed/push-child.ts');
  const acknowledged = new Set<number>();
  for (let round = 0; round < 5; round++) {
    const child = spawn(process.execPath, [program, dataDir, String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const enough = 20 + round * 37;
    let count = 0;
    for await (const line of lines) {
      acknowledged.add(Number(line));
      if (++count === enough) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');
  }
  const context = bench(systemClock, dataDir);
  await new PushFeed(context, new Map()).catchUp(() => {});
  const back = new Set(context.sink.trades.map((trade) => trade.id));
  expect([...acknowledged].filter((id) => !back.has(id))).toEqual([]);
  expect(acknowledged.size).toBeGreaterThan(400);
  chmodSync(dataDir, 0o700);
});

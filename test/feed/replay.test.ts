import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { HEADER } from '../../src/feed/replay/csv.js';
import { LineSplitter, MAX_LINE_LENGTH } from '../../src/feed/replay/lines.js';
import { ReplayFeed } from '../../src/feed/replay/replay.js';
import { systemClock } from '../../src/kit/clock.js';
import { parseDecimal } from '../../src/kit/decimal.js';
import { HOUR_MS, MINUTE_MS } from '../../src/market/interval.js';
import { ManualClock, until } from './manual-clock.js';
import { bench, csvLine, storedUpTo } from './recorder.js';

const FIXTURE = 'test/fixtures/binance-XRPETH-trades.csv.gz';
const TEXT = gunzipSync(readFileSync(FIXTURE)).toString();
const LINES = TEXT.trimEnd().split('\n').slice(1);
const directory = mkdtempSync(join(tmpdir(), 'candlecast-replay-'));
afterAll(() => rmSync(directory, { recursive: true }));

function file(content: string | Buffer): string {
  const bytes = Buffer.from(content);
  const path = join(directory, createHash('sha1').update(bytes).digest('hex'));
  writeFileSync(path, bytes);
  return path;
}

async function replay(path: string, stored = {}) {
  const context = bench(systemClock, '', stored);
  const feed = await ReplayFeed.open({ kind: 'replay', file: path, speed: 0, symbol: 'XRPETH' }, context);
  await feed.catchUp(() => {});
  await feed.start();
  await feed.ended();
  await feed.stop();
  return { feed, sink: context.sink, log: context.log, lines: context.sink.trades.map(csvLine) };
}

function openingOf(path: string) {
  return ReplayFeed.open({ kind: 'replay', file: path, speed: 0, symbol: 'XRPETH' }, bench(systemClock));
}

test('the real trades arrive complete and in order, packed or plain', async () => {
  expect(LINES.length).toBe(12_477);
  const packed = await replay(FIXTURE);
  expect(packed.lines).toEqual(LINES);
  expect(packed.sink.stateOf('XRPETH')).toBe('ended');
  expect((await replay(file(TEXT))).lines).toEqual(LINES);
});

test('the clock is event time and ends where the last minute closes', async () => {
  const { sink } = await replay(FIXTURE);
  let newest = 0;
  let clock = 0;
  const advances = sink.calls.filter((call) => call.call === 'advance').length;
  let seen = 0;
  for (const call of sink.calls) {
    if (call.call === 'trade') newest = Math.max(newest, call.trade.time);
    if (call.call !== 'advance') continue;
    expect(call.time).toBeGreaterThan(clock);
    clock = call.time;
    if (++seen < advances) expect(clock).toBeLessThanOrEqual(newest);
  }
  const klines = gunzipSync(readFileSync('test/fixtures/binance-XRPETH-klines-1m.csv.gz')).toString().trimEnd();
  const lastOpen = Number(klines.split('\n').at(-1)?.split(',')[0]);
  expect(clock).toBe(lastOpen + MINUTE_MS + 2000);
  expect(sink.gaps).toEqual([]);
});

test.each([
  ['CRLF', TEXT.replaceAll('\n', '\r\n')],
  ['a byte order mark', `\ufeff${TEXT}`],
  ['no newline at the end', TEXT.trimEnd()],
  ['blank lines', `${TEXT}\n\n`],
])('%s does no harm', async (_name, text) => {
  const { lines, feed } = await replay(file(text));
  expect(lines).toEqual(LINES);
  expect(feed.quarantine.total).toBe(0);
});

test('several gzip members in one file are one file', async () => {
  const half = TEXT.indexOf('\n', TEXT.length / 2) + 1;
  const path = file(Buffer.concat([gzipSync(TEXT.slice(0, half)), gzipSync(TEXT.slice(half))]));
  expect((await replay(path)).lines).toEqual(LINES);
});

test('of a gzip file that is cut short everything readable stays, and the damage is reported', async () => {
  const bytes = readFileSync(FIXTURE);
  const { lines, log, sink } = await replay(file(bytes.subarray(0, 60_000)));
  expect(lines.length).toBeGreaterThan(5_000);
  expect(lines).toEqual(LINES.slice(0, lines.length));
  expect(log.lines.some(({ level, message }) => level === 'error' && message.includes('cut short'))).toBe(true);
  expect(sink.stateOf('XRPETH')).toBe('ended');
});

test('of a gzip file that is damaged in the middle everything before stays', async () => {
  const bytes = Buffer.from(readFileSync(FIXTURE));
  bytes.fill(0xff, 60_000, 60_400);
  const { lines, log, feed } = await replay(file(bytes));
  expect(lines.length + feed.quarantine.total).toBeGreaterThan(4_000);
  expect(lines.slice(0, 4_000)).toEqual(LINES.slice(0, 4_000));
  expect(log.lines.some(({ level }) => level === 'error')).toBe(true);
});

test('malformed lines are counted and reported with their number; the rest goes on', async () => {
  const bad: [string, string, RegExp][] = [
    ['1,1570752011620,0.1,1', 'bad_shape', /has 4 field\(s\); 5 are right/],
    ['1,1570752011620,0.1,1,buy,x', 'bad_shape', /has 6 field/],
    ['x,1570752011620,0.1,1,buy', 'bad_id', /trade id "x"/],
    ['-1,1570752011620,0.1,1,buy', 'bad_id', /trade id "-1"/],
    ['9007199254740993,1570752011620,0.1,1,buy', 'bad_id', /2\^53-1/],
    ['1,0,0.1,1,buy', 'bad_time', /between 2009-01-03 and/],
    ['1,32503680000000,0.1,1,buy', 'bad_time', /time "32503680000000"/],
    ['1,1570752011.62,0.1,1,buy', 'bad_time', /epoch milliseconds/],
    ['1,1570752011620,NaN,1,buy', 'bad_price', /price "NaN"/],
    ['1,1570752011620,-0.1,1,buy', 'bad_price', /price "-0.1"/],
    ['1,1570752011620,0,1,buy', 'bad_price', /above zero/],
    ['1,1570752011620,1e5,1,buy', 'bad_price', /plain decimal/],
    ['1,1570752011620,1000000000000,1,buy', 'bad_price', /12 digits before/],
    ['1,1570752011620,0.000000001,1,buy', 'bad_price', /8 after/],
    ['1,1570752011620,0.1,0.00000000,buy', 'bad_quantity', /quantity "0.00000000"/],
    ['1,1570752011620,0.1,Infinity,buy', 'bad_quantity', /quantity "Infinity"/],
    ['1,1570752011620,0.1,1,hold', 'bad_side', /side "hold" must be "buy" or "sell"/],
    ['\u0000\u0001\u0002', 'bad_shape', /1 field/],
  ];
  const text = [HEADER, LINES[0], ...bad.map(([line]) => line), LINES[1]].join('\n');
  const { lines, feed, log } = await replay(file(text));
  expect(lines).toEqual([LINES[0], LINES[1]]);
  expect(feed.quarantine.total).toBe(bad.length);
  const reported = log.lines.filter(({ message }) => message.startsWith('quarantined: '));
  for (const [index, [, reason, message]] of bad.entries()) {
    expect(reported[index]?.fields).toMatchObject({ reason, line: index + 3 });
    expect(reported[index]?.message).toMatch(message);
  }
});

test('of many malformed lines the first twenty are logged in full, then a summary', async () => {
  const { log, feed } = await replay(file(`${HEADER}\n${'junk\n'.repeat(1000)}${LINES[0]}\n`));
  expect(feed.quarantine.counts).toEqual(new Map([['bad_shape', 1000]]));
  expect(log.lines.filter(({ message }) => message.startsWith('quarantined: ')).length).toBe(20);
  const summary = log.lines.find(({ message }) => message.startsWith('quarantined trades so far'));
  expect(summary?.fields).toMatchObject({ total: 1000, byReason: { bad_shape: 1000 } });
});

test.each([
  ['missing', () => join(directory, 'nowhere.csv'), /there is no such file/],
  ['a directory', () => directory, /is not a file/],
  ['empty', () => file(''), /it is empty; its first line must be "trade_id,/],
  ['a gzip of nothing', () => file(gzipSync('')), /it is empty/],
  ['without a header', () => file(LINES.join('\n')), /its first line is "13519807,.*must be "trade_id,/],
  ['something else', () => file(Buffer.from([0x50, 0x4b, 3, 4, 0, 0])), /its first line is "PK/],
  ['a broken gzip', () => file(Buffer.from([0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9])), /cannot replay/],
])('a file that is %s is refused at the start, as a matter of the user', async (_name, path, message) => {
  await expect(openingOf(path())).rejects.toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('a file of only the header ends at once', async () => {
  const { lines, sink } = await replay(file(HEADER));
  expect(lines).toEqual([]);
  expect(sink.stateOf('XRPETH')).toBe('ended');
});

test('a silence of more than a day is announced as a gap, after the minute before it closed and before the trade after it', async () => {
  const day = 86_400_000;
  const t0 = 1570752011620;
  const rows = [t0, t0 + day, t0 + 2 * day + 1, t0 + 2 * day + 2].map((time, id) => `${id},${time},1,1,buy`);
  const { sink } = await replay(file([HEADER, ...rows].join('\n')));
  const from = Math.floor((t0 + day) / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
  const to = Math.floor((t0 + 2 * day + 1) / MINUTE_MS) * MINUTE_MS;
  expect(sink.gaps).toEqual([{ symbol: 'XRPETH', from, to }]);
  const at = sink.calls.findIndex((call) => call.call === 'gap');
  expect(sink.calls[at - 1]).toEqual({ call: 'advance', symbol: 'XRPETH', time: from + 2000 });
  expect(sink.calls[at + 1]).toMatchObject({ call: 'trade', trade: { id: 2 } });
});

test('after a restart exactly the trades from 60 minutes behind the newest closed minute come again', async () => {
  for (const share of [0, 0.3, 0.99, 1]) {
    const at = Math.min(LINES.length - 1, Math.floor(LINES.length * share));
    const openTime = Math.floor(Number(LINES[at]?.split(',')[1]) / MINUTE_MS) * MINUTE_MS;
    const { lines, feed, sink } = await replay(FIXTURE, { XRPETH: storedUpTo(openTime) });
    const expected = LINES.filter((line) => Number(line.split(',')[1]) >= openTime - HOUR_MS);
    expect(lines).toEqual(expected);
    expect(feed.skipped).toBe(LINES.length - expected.length);
    expect(sink.clocks.get('XRPETH')).toBe(1570965600000 + 2000);
  }
});

test('catching up stops at the newest stored minute: what comes after is left to the paced part', async () => {
  const openTime = Math.floor(Number(LINES[6000]?.split(',')[1]) / MINUTE_MS) * MINUTE_MS;
  const context = bench(systemClock, '', { XRPETH: storedUpTo(openTime) });
  const feed = await ReplayFeed.open({ kind: 'replay', file: FIXTURE, speed: 1, symbol: 'XRPETH' }, context);
  await feed.catchUp(() => {});
  const times = LINES.map((line) => Number(line.split(',')[1]));
  const expected = times.filter((time) => time >= openTime - HOUR_MS && time < openTime + MINUTE_MS);
  expect(context.sink.trades.map((trade) => trade.time)).toEqual(expected);
  await feed.stop();
});

test('paced, every trade comes when its time has come, and quiet minutes pass on the clock', async () => {
  const start = Date.UTC(2026, 0, 1);
  const clock = new ManualClock(start);
  const context = bench(clock);
  const times = [0, 1000, 1000, 200_000, 200_001].map((offset) => 1570752000000 + offset);
  const path = file([HEADER, ...times.map((time, id) => `${id},${time},1,1,sell`), ''].join('\n'));
  const feed = await ReplayFeed.open({ kind: 'replay', file: path, speed: 10, symbol: 'XRPETH' }, context);
  await feed.catchUp(() => {});
  await feed.start();
  await until(() => context.sink.trades.length > 0);
  await clock.run(start + 99);
  expect(context.sink.trades.length).toBe(1);
  await clock.run(start + 105);
  expect(context.sink.trades.length).toBe(3);
  await clock.run(start + 19_000);
  expect(context.sink.trades.length).toBe(3);
  expect(context.sink.clocks.get('XRPETH')).toBeGreaterThan(1570752000000 + 185_000);
  await clock.run(start + 20_010);
  await feed.ended();
  expect(context.sink.trades.length).toBe(5);
  expect(context.sink.stateOf('XRPETH')).toBe('ended');
  await feed.stop();
});

test('stopping interrupts the wait for the next trade', async () => {
  const clock = new ManualClock(Date.UTC(2026, 0, 1));
  const path = file([HEADER, '1,1570752000000,1,1,buy', '2,1570758000000,1,1,buy', ''].join('\n'));
  const context = bench(clock);
  const feed = await ReplayFeed.open({ kind: 'replay', file: path, speed: 1, symbol: 'XRPETH' }, context);
  await feed.catchUp(() => {});
  await feed.start();
  await until(() => context.sink.trades.length > 0);
  await clock.run(clock.now() + 100);
  await feed.stop();
  expect(context.sink.trades.length).toBe(1);
  expect(clock.timers).toBe(0);
});

test('lines come out the same however the text is cut', () => {
  const piece = fc.constantFrom('\n', '\r\n', 'a', 'bc,', '\r', '', 'x'.repeat(MAX_LINE_LENGTH - 1), 'y'.repeat(700));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), fc.array(fc.nat(5000), { maxLength: 20 }), (pieces, cuts) => {
      const text = pieces.join('');
      const whole = new LineSplitter();
      const expected = text
        .split('\n')
        .filter((line, index, all) => index < all.length - 1 || line !== '')
        .map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line))
        .map((line) => line.slice(0, MAX_LINE_LENGTH + 1));
      expect([...whole.push(text), ...whole.end()].map(shorten)).toEqual(expected.map(shorten));
      const parts = new LineSplitter();
      const bounds = [0, ...cuts.filter((cut) => cut < text.length).sort((a, b) => a - b), text.length];
      const lines = bounds.slice(1).flatMap((end, index) => parts.push(text.slice(bounds[index], end)));
      expect([...lines, ...parts.end()].map(shorten)).toEqual(expected.map(shorten));
    }),
    { numRuns: 300 },
  );
});

/** Overlong lines only need to be recognised as such. */
function shorten(line: string): string {
  return line.length > MAX_LINE_LENGTH ? '(too long)' : line;
}

test('whatever bytes a file holds, each line is a valid trade or quarantined', async () => {
  const field = fc.oneof(
    fc.constantFrom(
      '1',
      '1570752011620',
      '0.1',
      'buy',
      'sell',
      '',
      '-1',
      '1e3',
      ' 1',
      'NaN',
      '0x10',
      '"1"',
      '٣',
      '1_0',
    ),
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.nat().map(String),
  );
  const good = fc
    .tuple(fc.nat(), fc.integer({ min: 1570752011620, max: 1670752011620 }))
    .map(([id, time]) => `${id},${time},0.5,2,buy`);
  const line = fc.oneof(
    good,
    fc.array(field, { minLength: 1, maxLength: 7 }).map((fields) => fields.join(',')),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(line, { maxLength: 30 }), async (lines) => {
      const bytes = Buffer.from([HEADER, ...lines].join('\n'), 'utf8');
      const { sink, feed } = await replay(file(bytes));
      const body = bytes.toString('latin1').split('\n').slice(1);
      const kept = body.map((text) => (text.endsWith('\r') ? text.slice(0, -1) : text)).filter((text) => text !== '');
      expect(sink.trades.length + feed.quarantine.total).toBeGreaterThanOrEqual(kept.length);
      const valid = kept.filter((text) => isTradeLine(text));
      expect(sink.trades.map((trade) => `${trade.id},${trade.time}`)).toEqual(
        valid.map((text) => text.split(',').slice(0, 2).map(Number).join(',')),
      );
    }),
    { numRuns: 100 },
  );
});

/** The rule of a trade line, written independently. */
function isTradeLine(line: string): boolean {
  const match = /^(\d{1,16}),(\d{1,16}),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?),(buy|sell)$/.exec(line);
  if (match === null) return false;
  const [, id = '', time = '', price = '', quantity = ''] = match;
  const isDecimal = (text: string) => parseDecimal(text) !== null && Number(text) > 0;
  const inTime = Number(time) >= Date.UTC(2009, 0, 3) && Number(time) <= Date.now() + 10_000;
  return Number(id) <= Number.MAX_SAFE_INTEGER && inTime && isDecimal(price) && isDecimal(quantity);
}

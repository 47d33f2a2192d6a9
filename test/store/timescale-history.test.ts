import fc from 'fast-check';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import type { Candle, Gap } from '../../src/market/candle.js';
import { bucketEnd, DAY_MS, HOUR_MS, INTERVALS, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import { nextSeq, seqMinute } from '../../src/market/position.js';
import type { CandleRecord } from '../../src/store/spool/record.js';
import { aggregateWatermark } from '../../src/store/timescale/aggregates.js';
import { Database } from '../../src/store/timescale/database.js';
import { CandleHistory, HistoryUnavailable } from '../../src/store/timescale/history.js';
import { loadState } from '../../src/store/timescale/state.js';
import { listSymbols, registerSymbols } from '../../src/store/timescale/symbols.js';
import { upsertCandles, upsertGap } from '../../src/store/timescale/upsert.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { minute } from './spool-records.js';
import { foldMinutes } from './timescale-oracle.js';
import { allowEpochs } from './timescale-support.js';

let server: TestDatabase;
let sql: Sql;
let database: Database;
let history: CandleHistory;

beforeAll(async () => {
  server = await testDatabase();
  sql = server.connect({ max: 1 });
  database = new Database({ url: server.url, clock: systemClock, max: 2 });
  history = new CandleHistory(database);
  await allowEpochs(sql, 1);
});
afterAll(async () => {
  await database.close();
  await server.stop();
});
const LEVELS = ['ohlcv_5m', 'ohlcv_1h', 'ohlcv_1d', 'ohlcv_1w', 'ohlcv_1mon'];
beforeEach(async () => {
  symbol = `S${++symbols}`;
});

/** 2023-12-25, a Monday: weeks, 3d buckets, a month and a year end soon after it. */
const FIRST = Date.UTC(2023, 11, 25);
const SPAN_MINUTES = (75 * DAY_MS) / MINUTE_MS;
/** Past everything the tests materialise, so that rows are visible at once. */
const LATER = FIRST + 700 * DAY_MS;
/** Each case has a symbol of its own: nothing has to be removed from the aggregates. */
let symbols = 0;
let symbol = '';

const decimal = (wholeMax: number, scale: number) =>
  fc
    .tuple(fc.integer({ min: 0, max: wholeMax }), fc.bigInt({ min: 0n, max: 10n ** BigInt(scale) - 1n }))
    .map(([whole, part]) => `${whole}.${part.toString().padStart(scale, '0')}`);

/** Minutes spread over weeks, some of them neighbours, some flat, some corrected. */
const anyMinutes = fc
  .uniqueArray(
    fc.record({
      n: fc.oneof(fc.integer({ min: 0, max: SPAN_MINUTES }), fc.integer({ min: 9000, max: 9400 })),
      prices: fc.tuple(decimal(99_999, 8), decimal(99_999, 8), decimal(99_999, 8), decimal(99_999, 8)),
      volume: decimal(999_999, 8),
      quoteVolume: decimal(999_999, 16),
      flat: fc.boolean(),
      revision: fc.nat(2),
    }),
    { selector: ({ n }) => n, minLength: 1, maxLength: 400 },
  )
  .map((drafts) => {
    let seq = 0;
    return drafts
      .sort((a, b) => a.n - b.n)
      .map(({ n, prices: [open, high, low, close], volume, quoteVolume, flat, revision }): CandleRecord => {
        const openTime = FIRST + n * MINUTE_MS;
        seq = nextSeq(seq, openTime) + revision;
        const none = { trades: 0, firstTradeId: null, lastTradeId: null, firstTradeTime: null, lastTradeTime: null };
        const some = {
          trades: 2,
          firstTradeId: n * 2,
          lastTradeId: n * 2 + 1,
          firstTradeTime: openTime,
          lastTradeTime: openTime + 7,
        };
        const shape = { symbol, openTime, open, high, low, close, volume, quoteVolume, revision, seq };
        return minute(n, {
          ...shape,
          takerBuyVolume: volume,
          takerBuyQuoteVolume: quoteVolume,
          ...(flat ? none : some),
        });
      });
  });

async function store(records: readonly CandleRecord[]): Promise<void> {
  for (let i = 0; i < records.length; i += 1000)
    await database.run((pool) => upsertCandles(pool, records.slice(i, i + 1000)));
}

async function refresh(fromMs: number, toMs: number): Promise<void> {
  for (const level of LEVELS) {
    await sql.unsafe(
      `CALL refresh_continuous_aggregate('${level}', '${new Date(fromMs).toISOString()}', '${new Date(toMs).toISOString()}')`,
    );
  }
}

function candlesOf(records: readonly CandleRecord[]): Candle[] {
  return records.map(({ candle }) => candle);
}

test('every interval equals a fold of the minutes, materialised or not', { timeout: 120_000 }, async () => {
  const bounds = fc.tuple(
    fc.integer({ min: -10, max: SPAN_MINUTES + 10 }),
    fc.integer({ min: 0, max: SPAN_MINUTES }),
    fc.integer({ min: 1, max: 40 }),
  );
  let rounds = 0;
  await fc.assert(
    fc.asyncProperty(anyMinutes, bounds, async (drafts, [start, length, limit]) => {
      symbol = `S${++symbols}`;
      const records = drafts.map((record) => ({ ...record, candle: { ...record.candle, symbol: symbol } }));
      await store(records);
      // The first round reads the minutes alone; later ones what is materialised up to a day in the middle.
      if (rounds++ > 0) await refresh(FIRST - 40 * DAY_MS, FIRST + 45 * DAY_MS);
      const newest = Math.max(...records.map(({ candle }) => candle.openTime)) + MINUTE_MS;
      const from = FIRST + start * MINUTE_MS;
      const to = from + length * MINUTE_MS;
      for (const interval of INTERVALS) {
        const all = foldMinutes(candlesOf(records), interval, newest);
        expect(await history.range(symbol, interval, 0, Number.MAX_SAFE_INTEGER, 1000)).toEqual(all);
        const within = all.filter(({ openTime }) => openTime >= from && openTime < to);
        expect(await history.range(symbol, interval, from, to, limit)).toEqual(within.slice(0, limit));
        const before = all.filter(({ openTime }) => openTime < to).slice(-limit);
        expect(await history.before(symbol, interval, to, limit)).toEqual(before);
      }
    }),
    { numRuns: 6 },
  );
});

test('since gives exactly the candles of a later seq, corrections included, or null past the limit', async () => {
  const horizonMs = 60 * MINUTE_MS;
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 59 }), fc.nat(300)), { maxLength: 20 }),
      fc.nat(300),
      async (late, read) => {
        symbol = `S${++symbols}`;
        // 300 minutes close one after the other; some corrections follow closes, up to the horizon back.
        const rows = new Map<number, CandleRecord>();
        const seqs: number[] = [];
        let seq = 0;
        for (let n = 0; n < 300; n++) {
          const openTime = LATER + n * MINUTE_MS;
          seq = nextSeq(seq, openTime);
          rows.set(n, minute(n, { symbol, openTime, firstTradeTime: openTime, lastTradeTime: openTime, seq }));
          for (const [back, at] of late) {
            const old = rows.get(n - back);
            if (at !== n || old === undefined) continue;
            seq = nextSeq(seq, openTime);
            rows.set(n - back, { ...old, candle: { ...old.candle, revision: old.candle.revision + 1, seq } });
          }
          seqs.push(seq);
        }
        await store([...rows.values()]);
        const position = seqs[Math.min(read, 299)] ?? 0;
        const end = LATER + 300 * MINUTE_MS;
        for (const interval of ['1m', '3m', '5m', '30m', '1h', '4h', '1d', '3d', '1w', '1M'] as const) {
          const all = foldMinutes(candlesOf([...rows.values()]), interval, end);
          const known = seqMinute(position) + MINUTE_MS;
          const missed = all.filter(({ seq, openTime }) => seq > position || bucketEnd(interval, openTime) > known);
          const options = { limit: 300, horizonMs };
          expect(await history.since(symbol, interval, position, end, options)).toEqual(missed);
          const tight = await history.since(symbol, interval, position, end, {
            ...options,
            limit: Math.max(0, missed.length - 1),
          });
          expect(tight).toEqual(missed.length === 0 ? [] : null);
        }
      },
    ),
    { numRuns: 5 },
  );
});

test('since gives a candle that an outage cut short before the position, and none that had closed by then', async () => {
  const at = (n: number): CandleRecord => {
    const openTime = LATER + n * MINUTE_MS;
    return minute(n, { symbol, openTime, seq: nextSeq(0, openTime) });
  };
  // Away from 10:15 to 10:40 and, without a minute between, from 10:41 to 12:00: the hour of 10:00 ends at its 10:14.
  await store([at(600), at(614), at(720)]);
  const announced = nextSeq(0, LATER + 639 * MINUTE_MS);
  const since = async (interval: Interval, seq: number) => {
    const candles = await history.since(symbol, interval, seq, LATER + 780 * MINUTE_MS, {
      limit: 9,
      horizonMs: HOUR_MS,
    });
    return candles?.map(({ openTime }) => (openTime - LATER) / MINUTE_MS);
  };
  expect(await since('1h', announced)).toEqual([600, 720]);
  expect(await since('2h', announced)).toEqual([600, 720]);
  expect(await since('30m', announced)).toEqual([720]);
  expect(await since('1m', announced)).toEqual([720]);
  expect(await since('1h', nextSeq(announced, LATER + 659 * MINUTE_MS))).toEqual([720]);
});

test('a candle is closed by the bound given, else by the newest minute of its symbol', async () => {
  await store([minute(0, { symbol, openTime: LATER }), minute(4, { symbol, openTime: LATER + 4 * MINUTE_MS })]);
  await store([minute(9, { symbol: 'OTHER', openTime: LATER + DAY_MS })]);
  const closed = async (bound?: number) => (await history.before(symbol, '5m', LATER + DAY_MS, 1, bound))[0]?.closed;
  expect(await closed()).toBe(true);
  expect(await closed(LATER + 5 * MINUTE_MS - 1)).toBe(false);
  expect((await history.before(symbol, '15m', LATER + DAY_MS, 1))[0]?.closed).toBe(false);
  expect(await history.before('UNKNOWN', '15m', LATER + DAY_MS, 1)).toEqual([]);
});

test('gaps are found by time and by seq', async () => {
  const gaps = [1, 2, 3].map(
    (n): Gap => ({
      symbol,
      from: LATER + n * DAY_MS,
      to: LATER + n * DAY_MS + 5000,
      reason: `outage ${n}`,
      seq: n,
    }),
  );
  for (const gap of gaps) await database.run((pool) => upsertGap(pool, { kind: 'gap', epoch: 1, gap }));
  expect(await history.gaps(symbol, LATER + DAY_MS + 4999, LATER + 2 * DAY_MS + 1)).toEqual(gaps.slice(0, 2));
  expect(await history.gaps(symbol, LATER + DAY_MS + 5000, LATER + 2 * DAY_MS)).toEqual([]);
  expect(await history.gapsSince(symbol, 1)).toEqual(gaps.slice(1));
  expect(await history.gapsSince('OTHER', 0)).toEqual([]);
});

test('a database that is gone is HistoryUnavailable', async () => {
  const nowhere = new Database({ url: 'postgres://postgres@%2Fnonexistent/postgres', clock: systemClock });
  await expect(new CandleHistory(nowhere).before(symbol, '1h', LATER, 5)).rejects.toThrow(HistoryUnavailable);
  await nowhere.close();
});

test('the state of many symbols comes back together', async () => {
  const count = 60 * 60;
  const rows = Array.from({ length: count }, (_, n) =>
    minute(n, { symbol, openTime: LATER + n * MINUTE_MS, seq: nextSeq(0, LATER + n * MINUTE_MS) }),
  );
  const [first] = rows;
  await store(rows);
  if (first !== undefined) await store([{ ...first, candle: { ...first.candle, symbol: 'NULL' } }]);
  const gap: Gap = { symbol, from: LATER, to: LATER + 1, reason: 'outage', seq: 1e15 };
  await database.run((pool) => upsertGap(pool, { kind: 'gap', epoch: 1, gap }));
  const states = await database.run((pool) => loadState(pool, [symbol, 'EMPTY', 'NULL']));
  expect(states.map(({ symbol }) => symbol)).toEqual([symbol, 'EMPTY', 'NULL']);
  const end = LATER + count * MINUTE_MS;
  const [full, empty, one] = states;
  expect(full?.minutes).toEqual(candlesOf(rows).slice(-130));
  expect(full?.hours).toEqual(foldMinutes(candlesOf(rows), '1h', end).slice(-49));
  expect(full?.days).toEqual(foldMinutes(candlesOf(rows), '1d', end));
  expect(full?.gaps).toEqual([gap]);
  expect(full?.lastSeq).toBe(1e15);
  expect(empty).toEqual({ symbol: 'EMPTY', minutes: [], hours: [], days: [], gaps: [], lastSeq: 0 });
  expect(one?.minutes).toHaveLength(1);
  expect(one?.lastSeq).toBe(first?.candle.seq);
});

test('the state of a symbol with holes reaches back as many candles as one without', async () => {
  const rows = Array.from({ length: 400 }, (_, n) => minute(n, { symbol, openTime: LATER + n * 7 * HOUR_MS }));
  await store(rows);
  const [state] = await database.run((pool) => loadState(pool, [symbol]));
  const end = LATER + 399 * 7 * HOUR_MS + MINUTE_MS;
  expect(state?.minutes).toEqual(candlesOf(rows).slice(-130));
  expect(state?.hours).toEqual(foldMinutes(candlesOf(rows), '1h', end).slice(-49));
  expect(state?.days).toEqual(foldMinutes(candlesOf(rows), '1d', end).slice(-63));
});

test('symbols are registered once, updated, and listed with their ends', async () => {
  await registerSymbols(sql, [
    { symbol: 'B', source: 'demo', synthetic: true },
    { symbol: 'A', source: 'push', synthetic: false },
  ]);
  await registerSymbols(sql, [{ symbol: 'B', source: 'binance', synthetic: false }]);
  await store([minute(0, { symbol: 'B', openTime: LATER }), minute(1, { symbol: 'B', openTime: LATER + 9 * DAY_MS })]);
  expect(await listSymbols(sql)).toEqual([
    { symbol: 'A', source: 'push', synthetic: false, firstTime: null, lastTime: null },
    { symbol: 'B', source: 'binance', synthetic: false, firstTime: LATER, lastTime: LATER + 9 * DAY_MS },
  ]);
});

test('the watermark is the end of what is materialised', async () => {
  await store([minute(0, { symbol, openTime: FIRST + 200 * DAY_MS })]);
  await refresh(FIRST + 100 * DAY_MS, FIRST + 300 * DAY_MS);
  expect(await aggregateWatermark(sql)).toBeGreaterThanOrEqual(FIRST + 200 * DAY_MS);
});

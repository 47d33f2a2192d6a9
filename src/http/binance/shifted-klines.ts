import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Candle } from '../../market/candle.js';
import { bucketEnd, INTERVAL_MS } from '../../market/interval.js';
import { type Rollup, rollUp } from '../../market/rollup.js';
import { childOf, shiftedEnd, shiftedStart } from '../../market/shifted.js';
import { klineRow } from '../../wire/binance/kline.js';
import type { CandleSource } from '../candles.js';
import { errors } from './error.js';
import type { KlineRange } from './range.js';

/** Children read at a time. */
const PAGE = 2_000;

/** Klines whose buckets are those of another time zone, rolled up from shorter candles. `oldest`: none opens before it. */
export async function shiftedKlines(market: CandleSource, range: KlineRange, oldest: number): Promise<string> {
  const buckets = range.from === null ? await latest(market, range, oldest) : await forward(market, range, range.from);
  return `[${buckets.map(klineRow).join(',')}]`;
}

/** The oldest `limit` buckets that open in the range. */
async function forward(market: CandleSource, range: KlineRange, from: number): Promise<readonly Rollup[]> {
  const inside = shiftedStart(range, from);
  const start = inside === from ? from : shiftedEnd(range, inside);
  const rolled: Rollup[] = [];
  let children: Candle[] = [];
  for (let next = start; ; ) {
    const page = await read(market, range, { from: next, limit: PAGE });
    children.push(...page);
    const isLast = page.length < PAGE;
    const { buckets, rest } = group(range, children, isLast);
    rolled.push(...buckets);
    children = rest;
    const isPast = range.to !== null && (rolled.at(-1)?.openTime ?? 0) >= range.to;
    if (isLast || isPast || rolled.length >= range.limit) return within(rolled, range).slice(0, range.limit);
    const last = page.at(-1);
    next = last === undefined ? next : bucketEnd(last.interval, last.openTime);
    await nextTurn();
  }
}

/** The latest `limit` buckets that open before the end of the range. */
async function latest(market: CandleSource, range: KlineRange, oldest: number): Promise<readonly Rollup[]> {
  // The last bucket opens before the end, but its children may lie after it.
  const end = range.to === null ? null : shiftedEnd(range, shiftedStart(range, range.to - 1));
  let children: Candle[] = [];
  for (let to = end; ; ) {
    const page = await read(market, range, { ...(to === null ? {} : { to }), limit: PAGE });
    children = [...page, ...children];
    const isFirst = page.length < PAGE;
    const first = children[0];
    const enough = first !== undefined && children.length >= range.limit * mostChildren(range);
    if (isFirst || enough || first === undefined || first.openTime <= oldest) {
      const { buckets } = group(range, children, true);
      // Where there are older children the first bucket may lack some.
      const whole = isFirst ? buckets : buckets.slice(1);
      return within(whole, range)
        .filter(({ openTime }) => openTime >= oldest)
        .slice(-range.limit);
    }
    to = first.openTime;
    await nextTurn();
  }
}

function within(buckets: readonly Rollup[], { from, to }: KlineRange): readonly Rollup[] {
  return buckets.filter(({ openTime }) => openTime >= (from ?? 0) && (to === null || openTime < to));
}

/** Buckets of children that ascend. `all`: no more of them follow; else those of the last bucket are left over. */
function group(range: KlineRange, children: readonly Candle[], all: boolean) {
  const buckets: Rollup[] = [];
  let rest: Candle[] = [];
  let start = Number.NaN;
  const finish = (): void => {
    const last = rest.at(-1);
    if (last === undefined) return;
    const end = shiftedEnd(range, start);
    const isClosed = last.closed && bucketEnd(last.interval, last.openTime) >= end;
    const bucket = rollUp(rest, start, end, isClosed);
    if (bucket !== null) buckets.push(bucket);
  };
  for (const child of children) {
    const own = shiftedStart(range, child.openTime);
    if (own !== start) {
      finish();
      rest = [];
      start = own;
    }
    rest.push(child);
  }
  if (all) finish();
  return { buckets, rest };
}

/** One more bucket than asked for is read whole. */
function mostChildren(range: KlineRange): number {
  const length = INTERVAL_MS[range.interval] ?? 31 * 86_400_000;
  return Math.ceil((length / (INTERVAL_MS[childOf(range)] ?? length)) * (1 + 1 / range.limit));
}

async function read(
  market: CandleSource,
  range: KlineRange,
  page: { readonly from?: number; readonly to?: number; readonly limit: number },
): Promise<readonly Candle[]> {
  const found = await market.query(range.symbol, childOf(range), page);
  if (!found.known) throw errors.badSymbol();
  return found.candles;
}

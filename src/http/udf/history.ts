import type { Candle } from '../../market/candle.js';
import { bucketStart, DAY_MS, type Interval } from '../../market/interval.js';
import type { HttpRequest, HttpResponse } from '../../wire/http.js';
import type { Entitlements } from '../../wire/identity.js';
import type { CandleSource } from '../candles.js';
import { optional } from '../parameters.js';
import { QueryError } from '../query.js';
import { type Readers, refuseInterval } from '../readers.js';
import { ok, toUdfError, UdfError } from './answer.js';
import { count, readUdf, resolution, seconds, udfSymbol } from './parameters.js';
import type { UdfSymbols } from './symbols.js';

/** More bars than this are refused: fewer than asked for would be a hole that the chart does not see. */
export const MAX_BARS = 10_000;

const FROM = seconds('Time of the first bar; not read with `countback`.');
export const HISTORY_PARAMETERS = {
  resolution,
  to: seconds('Bars begin before it.'),
  countback: count('So many bars before `to`, whatever `from` is.', 0, MAX_BARS, null),
  from: { ...optional(FROM), required: true },
  symbol: udfSymbol,
} as const;

interface Wanted {
  readonly symbol: string;
  readonly interval: Interval;
  /** Epoch ms; `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** So many bars before `to`, whatever `from` is; null: those from `from` on. */
  readonly countback: number | null;
}

interface Parts {
  readonly candles: CandleSource;
  readonly symbols: UdfSymbols;
  readonly readers: Readers;
}

/**
 * GET /udf/history?symbol&resolution&from&to&countback → {s: "ok", t, o, h, l, c, v}, the open bar included, or {s: "no_data",
 * nextTime} with the time of the last bar before, where there is one.
 */
export async function history(parts: Parts, request: HttpRequest): Promise<HttpResponse> {
  const wanted = await readWanted(parts.symbols, request.query);
  const plan = await readPlan(parts.readers, request, wanted.interval);
  const oldest = await oldestOf(parts.candles, wanted, plan);
  const bars = (await read(parts.candles, wanted)).filter(({ openTime }) => openTime >= oldest);
  if (bars.length > 0) return ok(columns(bars));
  const before = await lastBefore(parts.candles, wanted);
  return ok(before === null || before < oldest ? { s: 'no_data' } : { s: 'no_data', nextTime: before / 1000 });
}

async function readWanted(symbols: UdfSymbols, query: URLSearchParams): Promise<Wanted> {
  const { resolution: interval, to, countback, ...asked } = readUdf(query, HISTORY_PARAMETERS);
  const from = asked.from ?? (countback === null ? FROM.read(undefined, 'from') : to);
  if (countback === null && from > to) throw new QueryError('"from" must not be after "to".');
  const { symbol } = await symbols.find(asked.symbol);
  return { symbol, interval, from, to, countback: countback || null };
}

/** What the reader is held to. @throws UdfError */
export async function readPlan(
  readers: Readers,
  request: HttpRequest,
  interval: Interval,
): Promise<Entitlements | null> {
  const reader = await readers.planOf(request);
  if ('refusal' in reader) throw toUdfError(reader.refusal);
  const refusal = refuseInterval(reader.plan, interval);
  if (refusal !== null) throw toUdfError(refusal);
  return reader.plan;
}

/** Open time of the oldest bar that the plan gives, counted back from the newest there is. */
async function oldestOf(
  source: CandleSource,
  { symbol, interval }: Wanted,
  plan: Entitlements | null,
): Promise<number> {
  if (plan === null || plan.historyDays === null) return Number.NEGATIVE_INFINITY;
  const newest = (await source.query(symbol, interval, { limit: 1 })).candles.at(-1);
  if (newest === undefined) return Number.NEGATIVE_INFINITY;
  return bucketStart(interval, newest.openTime - plan.historyDays * DAY_MS);
}

async function read(
  source: CandleSource,
  { symbol, interval, from, to, countback }: Wanted,
): Promise<readonly Candle[]> {
  if (countback !== null) return (await source.query(symbol, interval, { to, limit: countback })).candles;
  if (from === to) return [];
  const { candles } = await source.query(symbol, interval, { from, to, limit: MAX_BARS + 1 });
  if (candles.length <= MAX_BARS) return candles;
  throw new UdfError(400, `There are more than ${MAX_BARS} bars in this range: ask for less, or with "countback".`);
}

/** Open time of the last bar before what was asked for; null: there is none. */
async function lastBefore(
  source: CandleSource,
  { symbol, interval, from, to, countback }: Wanted,
): Promise<number | null> {
  if (countback !== null) return null;
  const { candles } = await source.query(symbol, interval, { to: Math.min(from, to), limit: 1 });
  return candles.at(-1)?.openTime ?? null;
}

function columns(bars: readonly Candle[]) {
  return {
    s: 'ok',
    t: bars.map(({ openTime }) => openTime / 1000),
    o: bars.map(({ open }) => Number(open)),
    h: bars.map(({ high }) => Number(high)),
    l: bars.map(({ low }) => Number(low)),
    c: bars.map(({ close }) => Number(close)),
    v: bars.map(({ volume }) => Number(volume)),
  };
}

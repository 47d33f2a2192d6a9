import type { Log } from '../kit/log.js';
import type { Candle } from '../market/candle.js';
import { bucketStart, DAY_MS, type Interval } from '../market/interval.js';
import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import type { Entitlements } from '../wire/identity.js';
import { toWireCandle } from '../wire/messages.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { choice, cursor, integer, interval, optional, readQuery, symbol, time } from './parameters.js';
import { QueryError } from './query.js';
import { type Readers, refuseInterval } from './readers.js';
import type { Route } from './router.js';

const DEFAULT_LIMIT = 500;
export const MAX_LIMIT = 1000;
export const CANDLE_PARAMETERS = {
  symbol,
  interval,
  from: optional(time('Open time of the first candle; without it come the latest.')),
  to: optional(time('Open times are before it.', '2019-10-12T00:00:00Z')),
  limit: integer('Candles a page.', 1, MAX_LIMIT, DEFAULT_LIMIT),
  fill: choice('`none` leaves out candles without trades, so that a page may hold fewer.', ['flat', 'none']),
  cursor: optional(cursor(decodeCursor)),
} as const;
const RETRY_AFTER_SECONDS = '2';

/** Bounds are epoch ms on open times: `from` inclusive, `to` exclusive. */
export interface CandleQuery {
  readonly from?: number;
  readonly to?: number;
  readonly limit: number;
}

export interface CandleSource {
  /**
   * Candles ascending by open time, the open one included where it lies in the range. With `from`: the oldest `limit` of
   * the range; without: the latest `limit`. `known` is false when no feed has the symbol and nothing is stored for it.
   * Rejects when history cannot be read now.
   */
  query(
    symbol: string,
    interval: Interval,
    query: CandleQuery,
  ): Promise<{ readonly candles: readonly Candle[]; readonly known: boolean }>;
}

interface Request {
  readonly symbol: string;
  readonly interval: Interval;
  readonly from: number | null;
  readonly to: number | null;
  readonly limit: number;
  readonly fill: 'flat' | 'none';
}

/**
 * GET /v1/candles?symbol&interval&from&to&limit&fill&cursor. `next` of the answer, given as `cursor` in place of `from`, continues
 * forward; null = there is no more. With fill=none candles without trades are left out of each page, which may then hold
 * fewer than `limit`. `limited`: the plan gives no older ones. 403 `plan_limit`: the plan lacks the interval.
 */
export function candlesRoute(source: CandleSource, readers: Readers, log: Log): Route {
  return { method: 'GET', path: '/v1/candles', handle: (request) => answer(source, readers, log, request) };
}

async function answer(
  source: CandleSource,
  readers: Readers,
  log: Log,
  httpRequest: HttpRequest,
): Promise<HttpResponse> {
  try {
    const request = readRequest(httpRequest.query);
    const reader = await readers.planOf(httpRequest);
    if ('refusal' in reader) return reader.refusal;
    const refusal = refuseInterval(reader.plan, request.interval);
    if (refusal !== null) return refusal;
    return await readPage(source, request, reader.plan).catch((error: unknown) => {
      report(log, error, request);
      return problem(
        503,
        'History unavailable',
        'History cannot be read now; try again later.',
        { code: 'history_unavailable' },
        { 'retry-after': RETRY_AFTER_SECONDS },
      );
    });
  } catch (error) {
    if (error instanceof QueryError) return problem(400, 'Bad request', error.message);
    throw error;
  }
}

/** A store that is away or behind has been reported by whoever writes to it: not again for each request. */
function report(log: Log, error: unknown, { symbol, interval }: Request): void {
  const known = error instanceof Error && error.name === 'HistoryUnavailable';
  log[known ? 'debug' : 'error']({ err: error, symbol, interval }, 'history could not be read');
}

async function readPage(source: CandleSource, request: Request, plan: Entitlements | null): Promise<HttpResponse> {
  const { symbol, interval, to, limit } = request;
  const oldest = await oldestOf(source, request, plan);
  const from = request.from === null ? null : Math.max(request.from, oldest);
  const forward = from !== null;
  const range = { ...(from === null ? {} : { from }), ...(to === null ? {} : { to }) };
  const found = await source.query(symbol, interval, { ...range, limit: forward ? limit + 1 : limit });
  if (!found.known) return unknownSymbol(symbol);
  const following = forward ? found.candles[limit] : undefined;
  const given = found.candles.slice(0, limit).filter(({ openTime }) => openTime >= oldest);
  const page = given.filter((candle) => request.fill === 'flat' || candle.trades > 0);
  const isCut = from !== request.from || given.length < Math.min(limit, found.candles.length);
  return json(
    200,
    {
      symbol,
      interval,
      candles: page.map(toWireCandle),
      next: following === undefined ? null : encodeCursor(following.openTime),
      ...(isCut && plan !== null ? { limited: { plan: plan.plan, historyDays: plan.historyDays } } : {}),
    },
    { 'cache-control': 'no-store' },
  );
}

/** Open time of the oldest candle that the plan gives, counted back from the newest there is. */
export async function oldestOf(
  source: CandleSource,
  { symbol, interval }: Pick<Request, 'symbol' | 'interval'>,
  plan: Entitlements | null,
): Promise<number> {
  if (plan === null || plan.historyDays === null) return 0;
  const newest = (await source.query(symbol, interval, { limit: 1 })).candles.at(-1);
  return newest === undefined ? 0 : bucketStart(interval, newest.openTime - plan.historyDays * DAY_MS);
}

function unknownSymbol(symbol: string): HttpResponse {
  const detail = `No feed has ${symbol} and nothing is stored for it; GET /v1/symbols lists what there is.`;
  return problem(404, 'Unknown symbol', detail, { code: 'unknown_symbol' });
}

function readRequest(query: URLSearchParams): Request {
  const { cursor: start, ...asked } = readQuery(query, CANDLE_PARAMETERS);
  if (asked.from !== null && start !== null)
    throw new QueryError('Give either "from" or "cursor": the cursor replaces "from".');
  const from = asked.from ?? start;
  if (from !== null && asked.to !== null && from >= asked.to)
    throw new QueryError('"from" must be before "to" ("to" is exclusive).');
  return { ...asked, from };
}

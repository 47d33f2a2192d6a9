import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import { type Parameter, readValues } from '../wire/parameter.js';
import { QueryError } from './query.js';
import type { Route } from './router.js';
import { readTradesBody, UnreadableBodyError } from './trades-body.js';

/** Trades a request may hold. */
export const MAX_TRADES = 10_000;
const COLLECTOR = /^[A-Za-z0-9._-]{1,64}$/;
const collector: Parameter<string> = {
  description: 'Names who sends, where several do.',
  schema: { type: 'string', pattern: COLLECTOR.source },
  example: 'tokyo-1',
  read: (text = '') => {
    if (text === '' || COLLECTOR.test(text)) return text;
    throw new QueryError('"collector" must be 1 to 64 characters of A-Z, a-z, 0-9, ".", "_" and "-".');
  },
};
export const TRADE_PARAMETERS = { collector } as const;
const RETRY_AFTER_SECONDS = '2';

export interface TradeIntake {
  /**
   * Takes trades as they came out of JSON. What it accepts is durable when it resolves. `collector` names who sends.
   * Rejects with an error named PushUnavailableError when nothing could be taken now.
   */
  push(
    items: readonly unknown[],
    collector: string,
  ): Promise<{
    readonly accepted: number;
    readonly duplicates: number;
    readonly corrected: number;
    readonly rejected: readonly { readonly index: number; readonly code: string; readonly reason: string }[];
  }>;
}

/**
 * POST /v1/trades[?collector=NAME]: {"trades":[{symbol,id,time,price,quantity,side}]}, a bare array, or NDJSON; no trades = a
 * heartbeat. Pages of other sites are refused. Answers {accepted, duplicates, corrected, rejected:[{index, code, reason}]}. `intake` is null when FEEDS has no push.
 */
export function tradesRoute(intake: TradeIntake | null): Route {
  return { method: 'POST', path: '/v1/trades', handle: (request) => take(intake, request) };
}

async function take(intake: TradeIntake | null, request: HttpRequest): Promise<HttpResponse> {
  if (intake === null)
    return problem(404, 'Push is not enabled', 'This server takes no trades: add "push" to FEEDS, such as FEEDS=push.');
  if (!isOwnOrigin(request))
    return problem(403, 'Forbidden', 'Web pages of other sites may not send trades to this server.');
  const type = mediaType(request);
  if (type !== 'application/json' && type !== 'application/x-ndjson')
    return problem(415, 'Unsupported media type', 'Send application/json or application/x-ndjson (UTF-8).');
  try {
    const given = readValues(new Map(request.query), TRADE_PARAMETERS);
    const items = readTradesBody(request.body, type);
    if (items.length > MAX_TRADES)
      return problem(413, 'Too many trades', `A request may hold ${MAX_TRADES} trades; this one has ${items.length}.`);
    return json(200, await intake.push(items, given.collector), { 'cache-control': 'no-store' });
  } catch (error) {
    return refusal(error);
  }
}

function refusal(error: unknown): HttpResponse {
  if (error instanceof UnreadableBodyError || error instanceof QueryError)
    return problem(400, 'Bad request', error.message);
  if (error instanceof Error && error.name === 'PushUnavailableError')
    return problem(
      503,
      'Not taken',
      `Nothing was taken: ${error.message}. Send it again later.`,
      {},
      { 'retry-after': RETRY_AFTER_SECONDS },
    );
  throw error;
}

/** A browser names the site of the page that sends; collectors name none. */
function isOwnOrigin(request: HttpRequest): boolean {
  const origin = request.header('origin');
  if (origin === undefined) return true;
  return URL.canParse(origin) && new URL(origin).host === request.header('host')?.toLowerCase();
}

function mediaType(request: HttpRequest): string {
  return (request.header('content-type') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

import type { Log } from '../../kit/log.js';
import { type HttpRequest, type HttpResponse, json, problem } from '../../wire/http.js';
import type { Entitlements } from '../../wire/identity.js';
import type { Parameters, Values } from '../../wire/parameter.js';
import { readQuery } from '../parameters.js';
import { QueryError } from '../query.js';
import { type Readers, refuseInterval } from '../readers.js';
import type { Route } from '../router.js';
import type { SymbolSource } from '../symbols.js';
import { prefersCsv, type Table, toCsv } from './csv.js';
import { format } from './parameters.js';
import type { AnalyticsSource } from './source.js';

export interface AnalyticsOptions {
  readonly source: AnalyticsSource;
  readonly symbols: SymbolSource;
  readonly readers: Readers;
  readonly log: Log;
}

/** What a resource answers from. `plan` null: everything. */
export interface Question<P extends Parameters> {
  readonly asked: Values<P>;
  readonly source: AnalyticsSource;
  readonly symbols: SymbolSource;
  readonly plan: Entitlements | null;
}

export interface Resource<P extends Parameters, A> {
  readonly path: `/v1/analytics/${string}`;
  readonly parameters: P;
  /** Before anything is looked up. @throws QueryError */
  check?(asked: Values<P>): void;
  /** @throws QueryError, UnknownSymbol */
  answer(question: Question<P>): Promise<A>;
  /** What CSV has of it. */
  table(answer: A): Table;
}

/** No feed has them, and nothing is stored for them. */
export class UnknownSymbol extends Error {
  override readonly name = 'UnknownSymbol';
  constructor(readonly symbols: readonly string[]) {
    super(`No feed has ${symbols.join(', ')} and nothing is stored; GET /v1/symbols lists what there is.`);
  }
}

/** Where the source does not say when to come back. */
const RETRY_AFTER_SECONDS = 60;
const HEADERS = { 'cache-control': 'no-store' };

/**
 * GET, with `format=json|csv` besides its own parameters. Days are what a candle of `1d` is: a plan without that interval has none of this
 * (403 `plan_limit`).
 */
export function analyticsRoute<P extends Parameters, A>(options: AnalyticsOptions, resource: Resource<P, A>): Route {
  return { method: 'GET', path: resource.path, handle: (request) => answer(options, resource, request) };
}

async function answer<P extends Parameters, A>(
  { source, symbols, readers, log }: AnalyticsOptions,
  resource: Resource<P, A>,
  request: HttpRequest,
): Promise<HttpResponse> {
  try {
    const asked = readQuery(request.query, { ...resource.parameters, format });
    resource.check?.(asked);
    const reader = await readers.planOf(request);
    if ('refusal' in reader) return reader.refusal;
    const { plan } = reader;
    const refusal = refuseInterval(plan, '1d');
    if (refusal !== null) return refusal;
    const found = await resource.answer({ asked, source, symbols, plan });
    const isCsv = request.query.has('format') ? asked.format === 'csv' : prefersCsv(request.header('accept'));
    if (!isCsv) return json(200, found, HEADERS);
    const headers = { ...HEADERS, 'content-type': 'text/csv; charset=utf-8; header=present' };
    return { status: 200, headers, body: toCsv(resource.table(found)) };
  } catch (error) {
    return refused(error, resource.path, log);
  }
}

/** Errors of the source are known by their names: they come from another stage. */
function refused(error: unknown, path: string, log: Log): HttpResponse {
  if (error instanceof QueryError) return problem(400, 'Bad request', error.message);
  if (error instanceof UnknownSymbol) return problem(404, 'Unknown symbol', error.message, { code: 'unknown_symbol' });
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  if (name === 'AnalyticsTooLarge') return problem(400, 'Bad request', `${message}.`);
  const retryAfter = retryAfterOf(error);
  log[name === 'AnalyticsUnavailable' ? 'debug' : 'error']({ err: error, path }, 'analytics could not be read');
  // Where nothing but its operator helps, the words are ours, and say what does.
  const detail = retryAfter === null ? `${message}.` : 'Analytics cannot be read now; try again later.';
  const headers = { 'retry-after': String(retryAfter ?? RETRY_AFTER_SECONDS) };
  return problem(503, 'Analytics unavailable', detail, { code: 'analytics_unavailable' }, headers);
}

/** null: not before somebody has done something about it. */
function retryAfterOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('retryAfterSeconds' in error)) return RETRY_AFTER_SECONDS;
  return typeof error.retryAfterSeconds === 'number' ? error.retryAfterSeconds : null;
}

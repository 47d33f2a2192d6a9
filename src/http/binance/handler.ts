import type { HttpHandler, HttpRequest, HttpResponse } from '../../wire/http.js';
import type { Entitlements } from '../../wire/identity.js';
import type { Reader } from '../readers.js';
import { ABSENT, createEndpoints, type Endpoint } from './endpoints.js';
import { ApiError, errorResponse, errors, JSON_TYPE } from './error.js';
import type { Body } from './klines.js';
import type { BinanceSources } from './sources.js';
import { WEIGHT_LIMIT, Weights } from './weights.js';

/** Everything below is the surface's own, what is not there included. */
const SURFACE = '/api/';
const PREFIX = '/api/v3/';
const PREFLIGHT_SECONDS = '86400';
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'retry-after, x-mbx-used-weight, x-mbx-used-weight-1m, x-request-id',
};
const SUCCESS = { 'content-type': JSON_TYPE, 'cache-control': 'no-store', ...CORS };

/** Binance's REST market data under /api/v3/, in front of everything else that is served. */
export function withBinance(next: HttpHandler, sources: BinanceSources): HttpHandler {
  const surface = new BinanceRest(sources);
  return (request) => (request.path.startsWith(SURFACE) ? surface.answer(request) : next(request));
}

class BinanceRest {
  readonly #sources: BinanceSources;
  readonly #endpoints: ReadonlyMap<string, Endpoint>;
  readonly #weights: Weights;

  constructor(sources: BinanceSources) {
    const limit = sources.weightLimit ?? WEIGHT_LIMIT;
    this.#sources = sources;
    this.#weights = new Weights(limit, sources.clock);
    this.#endpoints = createEndpoints(sources, limit);
  }

  /** At once where nothing has to be waited for: most polling is answered from memory. */
  answer(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    if (request.method === 'OPTIONS') return PREFLIGHT;
    const path = request.path.startsWith(PREFIX) ? request.path.slice(PREFIX.length) : '';
    const endpoint = this.#endpoints.get(path);
    const spent = this.#weights.add(request.remoteAddress, endpoint?.weight(request.query) ?? 1);
    const used = String(spent.used);
    try {
      if (spent.used > this.#weights.limit) throw errors.tooManyRequests(this.#weights.limit, spent.secondsLeft);
      const body = this.#body(request, path, endpoint);
      if (!(body instanceof Promise)) return success(body, used);
      return body.then(
        (later) => success(later, used),
        (error: unknown) => this.#refusal(error, request, used),
      );
    } catch (error) {
      return this.#refusal(error, request, used);
    }
  }

  #refusal(error: unknown, request: HttpRequest, used: string): HttpResponse {
    const refusal = errorResponse(this.#explain(error, request));
    return { ...refusal, headers: { ...refusal.headers, ...CORS, ...weightHeaders(used) } };
  }

  #body(request: HttpRequest, path: string, endpoint: Endpoint | undefined): Body | Promise<Body> {
    if (endpoint === undefined) {
      const why = Object.hasOwn(ABSENT, path) ? ABSENT[path] : undefined;
      if (why !== undefined) throw errors.unsupported(why);
      throw errors.unsupported('There is nothing at this path.', 404);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') throw errors.wrongMethod(request.method);
    // Who asks for microseconds would take our milliseconds for them.
    if (/^micro/i.test(request.header('x-mbx-time-unit') ?? ''))
      throw errors.unsupported('Times are milliseconds here.');
    const reader = this.#sources.readers.planOf(request);
    if (reader instanceof Promise) return reader.then((later) => endpoint.answer(request.query, planOf(later)));
    return endpoint.answer(request.query, planOf(reader));
  }

  #explain(error: unknown, request: HttpRequest): ApiError {
    if (error instanceof ApiError) return error;
    const known = error instanceof Error && error.name === 'HistoryUnavailable';
    this.#sources.log[known ? 'debug' : 'error']({ err: error, path: request.path }, 'a request could not be answered');
    return errors.unavailable();
  }
}

/** Of every answer that is well: the headers of the weight stand here too, since spreading them costs 3 µs of 40. */
function success(body: Body, used: string): HttpResponse {
  return { status: 200, headers: { ...SUCCESS, 'x-mbx-used-weight': used, 'x-mbx-used-weight-1m': used }, body };
}

function weightHeaders(used: string) {
  return { 'x-mbx-used-weight': used, 'x-mbx-used-weight-1m': used };
}

/** @throws ApiError where the token is not taken. */
function planOf(reader: Reader): Entitlements | null {
  if ('plan' in reader) return reader.plan;
  if (reader.refusal.status >= 500) throw errors.unavailable();
  throw errors.notAuthorized('You are not authorized to execute this request: the token is not accepted.');
}

const PREFLIGHT: HttpResponse = {
  status: 204,
  headers: {
    ...CORS,
    allow: 'GET, HEAD, OPTIONS',
    'access-control-allow-methods': 'GET, HEAD',
    'access-control-allow-headers': 'content-type, x-mbx-apikey, x-mbx-time-unit, x-request-id',
    'access-control-max-age': PREFLIGHT_SECONDS,
  },
  body: '',
};

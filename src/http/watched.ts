import type { Clock } from '../kit/clock.js';
import { DurationHistogram } from '../kit/histogram.js';
import type { Log } from '../kit/log.js';
import type { Tracer } from '../kit/tracer.js';
import type { HttpHandler, HttpRequest, HttpResponse } from '../wire/http.js';
import type { RouteNames } from './route-names.js';

const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Asked for every few seconds by machines: in a trace they would hide the rest. */
const UNTRACED: ReadonlySet<string> = new Set(['/metrics', '/healthz', '/readyz']);
/** Lines of failed requests a second; an outage fails thousands. */
const LINES_A_SECOND = 10;

/** Requests since the start. */
export class HttpStats {
  /** Until the answer, its body not sent yet, by route. */
  readonly durations = new Map<string, DurationHistogram>();
  /** By method, route and class of status ("2xx"), separated by spaces. */
  readonly requests = new Map<string, number>();

  note(method: string, route: string, status: number, durationMs: number): void {
    const key = `${METHODS.has(method) ? method : 'other'} ${route} ${Math.floor(status / 100)}xx`;
    this.requests.set(key, (this.requests.get(key) ?? 0) + 1);
    const durations = this.durations.get(route) ?? new DurationHistogram();
    this.durations.set(route, durations);
    durations.observe(durationMs);
  }
}

export interface WatchOptions {
  readonly routes: RouteNames;
  readonly stats: HttpStats;
  /** null: there are no traces. */
  readonly tracer: Tracer | null;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The same answers, in the same turn; each request is counted and timed, is a span that goes on from the caller's, and is logged
 * where it failed.
 */
export function watched(handler: HttpHandler, options: WatchOptions): HttpHandler {
  const { routes, stats, tracer, clock } = options;
  const failures = new FailedRequests(options.log, clock);
  return (request) => {
    const route = routes.of(request.path);
    const began = clock.now();
    const note = (status: number): void => {
      const durationMs = clock.now() - began;
      stats.note(request.method, route, status, durationMs);
      if (status >= 500) failures.tell(request, { route, status, durationMs });
    };
    // What a handler throws is answered with 500, and logged, by the transport.
    const broken = (error: unknown): never => {
      note(500);
      throw error;
    };
    const noted = (response: HttpResponse): HttpResponse => {
      note(response.status);
      return response;
    };
    try {
      const answer =
        tracer === null || UNTRACED.has(route) ? handler(request) : inSpan(handler, request, route, tracer);
      return answer instanceof Promise ? answer.then(noted, broken) : noted(answer);
    } catch (error) {
      return broken(error);
    }
  };
}

function inSpan(handler: HttpHandler, request: HttpRequest, route: string, tracer: Tracer): Promise<HttpResponse> {
  const method = METHODS.has(request.method) ? request.method : '_OTHER';
  const attributes = { 'http.request.method': method, 'http.route': route };
  const caller = { traceparent: request.header('traceparent'), tracestate: request.header('tracestate') };
  return tracer.span(`${method} ${route}`, { kind: 'server', attributes, ...caller }, async (span) => {
    const response = await handler(request);
    span.set({ 'http.response.status_code': response.status });
    if (response.status >= 500) span.failed(String(response.status));
    return response;
  });
}

/** So that the X-Request-Id that a client names is found in the log. */
class FailedRequests {
  readonly #log: Log;
  readonly #clock: Clock;
  #second = 0;
  #lines = 0;
  #leftOut = 0;

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  tell(request: HttpRequest, about: object): void {
    const second = Math.floor(this.#clock.now() / 1000);
    if (second !== this.#second) this.#lines = 0;
    this.#second = second;
    if (this.#lines >= LINES_A_SECOND) {
      this.#leftOut++;
      return;
    }
    this.#lines++;
    const { method } = request;
    const fields = { requestId: request.header('x-request-id'), method, ...about, leftOut: this.#leftOut };
    this.#leftOut = 0;
    this.#log.warn(fields, 'a request was answered with an error of ours');
  }
}

import type { Log } from '../../kit/log.js';
import { type HttpRequest, type HttpResponse, json } from '../../wire/http.js';
import { QueryError } from '../query.js';

/** Refuses a request with a status and words. */
export class UdfError extends Error {
  override readonly name = 'UdfError';

  constructor(
    readonly status: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

const NO_STORE = { 'cache-control': 'no-store' };
const RETRY = { 'retry-after': '2' };

export function ok(value: unknown): HttpResponse {
  return json(200, value, NO_STORE);
}

/** What goes wrong is always `{s: "error", errmsg}`, which clients of UDF look for whatever the status is. */
export function answering(
  work: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>,
  log: Log,
): (request: HttpRequest) => Promise<HttpResponse> {
  return async (request) => {
    try {
      return await work(request);
    } catch (error) {
      return refusalOf(error, log);
    }
  };
}

/** A refusal of another part of the API in the words of UDF. */
export function toUdfError({ status, headers, body }: HttpResponse): UdfError {
  const { detail } = JSON.parse(String(body)) as { detail: string };
  const { 'content-type': _type, ...rest } = headers;
  return new UdfError(status, detail, rest);
}

function refusalOf(error: unknown, log: Log): HttpResponse {
  if (error instanceof UdfError) return errorBody(error.status, error.message, error.headers);
  if (error instanceof QueryError) return errorBody(400, error.message, {});
  // A store that is away or behind has been reported by whoever writes to it.
  const isKnown = error instanceof Error && error.name === 'HistoryUnavailable';
  log[isKnown ? 'debug' : 'error']({ err: error }, 'a UDF request could not be answered');
  return errorBody(503, 'The data cannot be read now; try again later.', RETRY);
}

function errorBody(status: number, errmsg: string, headers: Readonly<Record<string, string>>): HttpResponse {
  return json(status, { s: 'error', errmsg }, { ...NO_STORE, ...headers });
}

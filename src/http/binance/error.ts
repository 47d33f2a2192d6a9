import type { HttpResponse } from '../../wire/http.js';

/** Refusals as Binance's clients know them: HTTP status, its code, and words. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

/** Each as Binance says it. */
export const errors = {
  illegal: (name: string, legal: string) =>
    bad(-1100, `Illegal characters found in parameter '${name}'; legal range is '${legal}'.`),
  tooMany: (expected: number, sent: number) =>
    bad(-1101, `Too many parameters; expected '${expected}' and received '${sent}'.`),
  twice: (name: string) => bad(-1101, `Duplicate values for parameter '${name}'.`),
  missing: (name: string) => bad(-1102, `Mandatory parameter '${name}' was not sent, was empty/null, or malformed.`),
  unread: (read: number, sent: number) =>
    bad(-1104, `Not all sent parameters were read; read '${read}' parameter(s) but was sent '${sent}'.`),
  empty: (name: string) => bad(-1105, `Parameter '${name}' was empty.`),
  badInterval: () => bad(-1120, 'Invalid interval.'),
  badSymbol: () => bad(-1121, 'Invalid symbol.'),
  badCombination: () => bad(-1128, 'Combination of optional parameters invalid.'),
  notValid: (name: string) => bad(-1130, `Data sent for parameter '${name}' is not valid.`),
  symbolTwice: () => bad(-1151, 'Symbol is present multiple times in the list.'),
  notAuthorized: (why: string) => new ApiError(401, -1002, why),
  unsupported: (what: string, status = 400) => new ApiError(status, -1020, `This operation is not supported. ${what}`),
  wrongMethod: (method: string) =>
    new ApiError(405, -1020, `This operation is not supported. Request method '${method}' is not supported.`, {
      allow: 'GET, HEAD, OPTIONS',
    }),
  tooManyRequests: (limit: number, retryAfterSeconds: number) =>
    new ApiError(
      429,
      -1003,
      `Too much request weight used; current limit is ${limit} request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API.`,
      { 'retry-after': String(retryAfterSeconds) },
    ),
  unavailable: () =>
    new ApiError(503, -1001, 'Internal error; unable to process your request. Please try again.', {
      'retry-after': '2',
    }),
};

export function errorResponse({ status, code, message, headers }: ApiError): HttpResponse {
  return { status, headers: { 'content-type': JSON_TYPE, ...headers }, body: JSON.stringify({ code, msg: message }) };
}

export const JSON_TYPE = 'application/json;charset=UTF-8';

function bad(code: number, message: string): ApiError {
  return new ApiError(400, code, message);
}

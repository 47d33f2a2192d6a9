/** What a client of the Binance-compatible sockets may send, and the errors it gets. */

/** A request with its `id` as JSON text, so that it goes back digit for digit. */
export type StreamRequest = { readonly id: string } & (
  | { readonly method: 'SUBSCRIBE' | 'UNSUBSCRIBE'; readonly params: readonly string[] }
  | { readonly method: 'LIST_SUBSCRIPTIONS' }
  | { readonly method: 'SET_PROPERTY'; readonly combined: boolean }
  | { readonly method: 'GET_PROPERTY' }
);

/** 0 unknown property, 1 wrong type of its value, 2 invalid request, 3 invalid JSON, 4 too many subscriptions. */
export interface StreamError {
  readonly code: 0 | 1 | 2 | 3 | 4;
  readonly msg: string;
  /** JSON text. */
  readonly id: string;
}

const METHODS = ['SUBSCRIBE', 'UNSUBSCRIBE', 'LIST_SUBSCRIPTIONS', 'SET_PROPERTY', 'GET_PROPERTY'] as const;
const ALPHANUMERIC_ID = /^[A-Za-z0-9_-]{1,36}$/;
const INT64_MAX = 2n ** 63n - 1n;
const INT64_MIN = -(2n ** 63n);

export function resultFrame(id: string, result: unknown): string {
  return `{"result":${JSON.stringify(result)},"id":${id}}`;
}

/** Wrapped: clients wait for ever for an answer to a request whose error comes flat. */
export function errorFrame({ code, msg, id }: StreamError): string {
  return `{"error":${JSON.stringify({ code, msg })},"id":${id}}`;
}

/** `text` is null for a binary frame. Frames are short, which bounds their depth. */
export function parseRequest(text: string | null): StreamRequest | StreamError {
  if (text === null) return { code: 3, msg: 'Invalid JSON: send text frames', id: 'null' };
  const value = parseJson(text);
  if (value === undefined) return { code: 3, msg: 'Invalid JSON: the frame cannot be parsed', id: 'null' };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return invalid('expected an object with "method", "params" and "id"', 'null');
  const request = value as Readonly<Record<string, unknown>>;
  const id = idOf(request.id, text);
  if (id === null) return invalid('request ID must be an int64, an alphanumeric string of at most 36, or null', 'null');
  return parseMethod(request, id);
}

function parseMethod(request: Readonly<Record<string, unknown>>, id: string): StreamRequest | StreamError {
  const { params } = request;
  const method = METHODS.find((name) => name === request.method);
  if (request.method === undefined) return invalid('missing field `method`', id);
  switch (method) {
    case 'SUBSCRIBE':
    case 'UNSUBSCRIBE':
      return parseStreams(method, params, id);
    case 'LIST_SUBSCRIPTIONS':
      return { method, id };
    case 'SET_PROPERTY':
      return setProperty(params, id);
    case 'GET_PROPERTY': {
      const wrong = propertyError(params, 1, id);
      return wrong ?? { method, id };
    }
    default: {
      const expected = METHODS.map((name) => `\`${name}\``).join(', ');
      const given = typeof request.method === 'string' ? printable(request.method) : typeof request.method;
      return invalid(`unknown variant \`${given}\`, expected one of ${expected}`, id);
    }
  }
}

function parseStreams(method: 'SUBSCRIBE' | 'UNSUBSCRIBE', params: unknown, id: string): StreamRequest | StreamError {
  if (!Array.isArray(params)) return invalid('`params` must be an array of stream names', id);
  if (params.length === 0) return invalid('`params` names no stream', id);
  if (!params.every((name): name is string => typeof name === 'string'))
    return invalid('stream names must be strings', id);
  return { method, params: [...new Set(params)], id };
}

function setProperty(params: unknown, id: string): StreamRequest | StreamError {
  const wrong = propertyError(params, 2, id);
  if (wrong !== null) return wrong;
  const combined = Array.isArray(params) ? params[1] : undefined;
  if (typeof combined !== 'boolean') return { code: 1, msg: 'Invalid value type: expected Boolean', id };
  return { method: 'SET_PROPERTY', combined, id };
}

function propertyError(params: unknown, count: number, id: string): StreamError | null {
  if (!Array.isArray(params) || params.length === 0) return invalid('`params` must name a property', id);
  if (typeof params[0] !== 'string') return invalid('property name must be a string', id);
  if (params[0] !== 'combined') return { code: 0, msg: 'Unknown property', id };
  return params.length > count ? invalid('too many parameters', id) : null;
}

function invalid(why: string, id: string): StreamError {
  return { code: 2, msg: `Invalid request: ${why}`, id };
}

/** JSON text; null: it is none. Left out it is taken for null. */
function idOf(id: unknown, text: string): string | null {
  if (id === undefined || id === null) return 'null';
  if (typeof id === 'string') return ALPHANUMERIC_ID.test(id) ? JSON.stringify(id) : null;
  if (typeof id !== 'number' || !Number.isInteger(id)) return null;
  return Number.isSafeInteger(id) ? String(id) : bigIdOf(text);
}

/** Numbers beyond 2^53 are not what JSON.parse makes of them. */
function bigIdOf(text: string): string | null {
  const digits = /"id"\s*:\s*(-?\d{1,20})\s*[,}]/.exec(text)?.[1];
  if (digits === undefined) return null;
  const value = BigInt(digits);
  return value >= INT64_MIN && value <= INT64_MAX ? value.toString() : null;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A short rendering of what the client sent. */
export function printable(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length > 60 ? `${clean.slice(0, 60)}...` : clean;
}

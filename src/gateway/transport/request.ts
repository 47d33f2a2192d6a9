import { randomUUID } from 'node:crypto';
import { isIP, SocketAddress } from 'node:net';
import type { Log } from '../../kit/log.js';
import { type HttpHandler, type HttpRequest, type HttpResponse, problem } from '../../wire/http.js';
import type { SocketHandlers, UpgradeDecision, UpgradeRequest } from './transport.js';

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const BREAKS = /[\r\n\0]/;
const EVERY_BREAK = /[\r\n\0]/g;
const NO_BODY = new Uint8Array(0);
/** Framing belongs to the transport; a handler's own would corrupt it. */
const FRAMING_HEADERS = new Set(['content-length', 'transfer-encoding', 'connection', 'date']);

/** A request whose body has arrived. HEAD is handed on as GET; the transport leaves the body out of the answer. */
export class BufferedRequest implements HttpRequest, UpgradeRequest {
  readonly method: string;
  /** The caller's X-Request-Id where it is printable, else a new one; `header('x-request-id')` gives it too. */
  readonly id: string;
  body: Uint8Array = NO_BODY;
  #query: URLSearchParams | null = null;

  constructor(
    /** As it came. */
    readonly wireMethod: string,
    readonly path: string,
    readonly rawQuery: string,
    readonly headers: Map<string, string>,
    readonly remoteAddress: string,
  ) {
    this.method = wireMethod === 'HEAD' ? 'GET' : wireMethod;
    const given = headers.get('x-request-id');
    this.id = given !== undefined && REQUEST_ID.test(given) ? given : randomUUID();
    headers.set('x-request-id', this.id);
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.rawQuery);
    return this.#query;
  }

  get protocols(): readonly string[] {
    return parseProtocols(this.headers.get('sec-websocket-protocol'));
  }

  header(name: string): string | undefined {
    return this.headers.get(name);
  }
}

/** Runs the handler; whatever it throws becomes a logged 500. Synchronous answers stay synchronous. */
export function handle(handler: HttpHandler, request: BufferedRequest, log: Log): HttpResponse | Promise<HttpResponse> {
  try {
    const answer = handler(request);
    return answer instanceof Promise ? answer.catch((error: unknown) => failure(request, error, log)) : answer;
  } catch (error) {
    return failure(request, error, log);
  }
}

/** Answers a request that broke the code that should have answered it; the log gets the reason. */
export function failure(request: BufferedRequest, error: unknown, log: Log): HttpResponse {
  log.error({ err: error, requestId: request.id, method: request.wireMethod, path: request.path }, 'request failed');
  return problem(500, 'Internal Server Error', 'The server failed to answer; the log has the reason.', {
    requestId: request.id,
  });
}

export function bodyTooLarge(maxBodyBytes: number): HttpResponse {
  return problem(413, 'Content Too Large', `The body may have at most ${maxBodyBytes} bytes.`);
}

/** Asks the gateway; `failed` makes the refusal where it throws. */
export function decide<T>(
  handlers: SocketHandlers<T>,
  request: UpgradeRequest,
  failed: (error: unknown) => HttpResponse,
): UpgradeDecision<T> {
  if (request.header('upgrade')?.toLowerCase() !== 'websocket') return { refuse: notAnUpgrade() };
  if (request.header('sec-websocket-version') !== '13') return { refuse: notAnUpgrade() };
  try {
    return handlers.upgrade(request);
  } catch (error) {
    return { refuse: failed(error) };
  }
}

/** WebSocket subprotocols on offer, the client's favourite first. */
export function parseProtocols(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

function notAnUpgrade(): HttpResponse {
  const detail = 'A WebSocket handshake has Upgrade: websocket and Sec-WebSocket-Version: 13.';
  return problem(426, 'Upgrade Required', detail, {}, { upgrade: 'websocket', 'sec-websocket-version': '13' });
}

/** Calls `write` for each header of the answer, cleaned of what would break out of a header line. */
export function eachHeader(response: HttpResponse, requestId: string, write: (name: string, value: string) => void) {
  for (const name in response.headers) {
    if (FRAMING_HEADERS.has(name.toLowerCase())) continue;
    const value = String(response.headers[name]);
    write(name, BREAKS.test(value) ? value.replaceAll(EVERY_BREAK, ' ') : value);
  }
  write('X-Request-Id', requestId);
}

export function bodyBytes(response: HttpResponse): number {
  return typeof response.body === 'string' ? Buffer.byteLength(response.body) : response.body.byteLength;
}

/** RFC 9110 6.4.1: these answers have neither body nor content-length. */
export function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}

/** IPv4 dotted, also where it came mapped into IPv6; IPv6 in its short form. `bytes` has 4 or 16. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  if (bytes.length !== 16) return '';
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return unmapped(new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address);
}

/** Whose request it is: what the outermost trusted proxy saw, else who is connected. */
export function clientAddress(direct: string, forwardedFor: string | undefined, trustedProxies = 0): string {
  if (trustedProxies === 0 || forwardedFor === undefined) return direct;
  const hops = forwardedFor.split(',').map((hop) => hop.trim());
  const address = hops.at(-trustedProxies) ?? hops[0] ?? '';
  return isIP(address) === 0 ? direct : unmapped(address);
}

/** "::ffff:10.0.0.1" → "10.0.0.1". */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

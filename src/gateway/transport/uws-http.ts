import type { HttpRequest as UwsRequest, HttpResponse as UwsResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import type { Log } from '../../kit/log.js';
import type { HttpHandler, HttpResponse } from '../../wire/http.js';
import {
  addressText,
  BufferedRequest,
  bodyBytes,
  bodyTooLarge,
  clientAddress,
  eachHeader,
  handle,
  isBodyless,
} from './request.js';
import type { TransportOptions } from './transport.js';
import { openStream, type UwsStream } from './uws-stream.js';

/** @returns the handler for every HTTP request that is no WebSocket upgrade. */
export function httpRoute(handler: HttpHandler, { maxBodyBytes, trustedProxies }: TransportOptions, log: Log) {
  return (res: UwsResponse, req: UwsRequest): void => {
    const exchange = new Exchange(res, readHead(res, req, trustedProxies), handler, log);
    // Without this the process is killed when the handler returns unanswered.
    res.onAborted(() => exchange.abort());
    if (hasBody(exchange.request)) collectBody(res, maxBodyBytes, (body) => exchange.take(body, maxBodyBytes));
    else exchange.run();
  };
}

/** One request and its answer. */
class Exchange {
  #aborted = false;
  #stream: UwsStream | null = null;

  constructor(
    readonly res: UwsResponse,
    readonly request: BufferedRequest,
    readonly handler: HttpHandler,
    readonly log: Log,
  ) {}

  abort(): void {
    this.#aborted = true;
    this.#stream?.aborted();
  }

  /** @param body null: it is too large. */
  take(body: Uint8Array | null, maxBodyBytes: number): void {
    if (body === null) this.#answer(bodyTooLarge(maxBodyBytes));
    else {
      this.request.body = body;
      this.run();
    }
  }

  run(): void {
    const response = handle(this.handler, this.request, this.log);
    if (response instanceof Promise) void response.then((later) => this.#answer(later));
    else this.#answer(response);
  }

  #answer(response: HttpResponse): void {
    if (this.#aborted) return;
    this.res.cork(() => {
      this.#stream = writeResponse(this.res, this.request, response);
    });
  }
}

/** RFC 9112 6.3: without either header a request has no body. */
function hasBody({ headers }: BufferedRequest): boolean {
  return headers.has('content-length') || headers.has('transfer-encoding');
}

/** Copies what is needed: uWS's request is gone when its callback returns. */
export function readHead(res: UwsResponse, req: UwsRequest, trustedProxies: number | undefined): BufferedRequest {
  const headers = new Map<string, string>();
  req.forEach((name, value) => {
    const before = headers.get(name);
    headers.set(name, before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}`);
  });
  const direct = addressText(new Uint8Array(res.getRemoteAddress()));
  const address = clientAddress(direct, headers.get('x-forwarded-for'), trustedProxies);
  return new BufferedRequest(req.getCaseSensitiveMethod(), req.getUrl(), req.getQuery(), headers, address);
}

/**
 * Calls `done` once: with the whole body, or with null as soon as it passes the limit.
 * What still comes after that is read and forgotten, so that the peer gets to read the answer instead of a reset.
 */
function collectBody(res: UwsResponse, maxBodyBytes: number, done: (body: Uint8Array | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  res.onData((chunk, isLast) => {
    if (bytes > maxBodyBytes) return;
    bytes += chunk.byteLength;
    if (bytes > maxBodyBytes) {
      chunks.length = 0;
      return done(null);
    }
    // The chunk is detached after this callback.
    if (chunk.byteLength > 0) chunks.push(Buffer.from(new Uint8Array(chunk)));
    if (isLast) done(Buffer.concat(chunks, bytes));
  });
}

/** Must run corked. @returns the stream of an answer that has one. */
export function writeResponse(res: UwsResponse, request: BufferedRequest, response: HttpResponse): UwsStream | null {
  // 200 is what it writes by itself.
  if (response.status !== 200) res.writeStatus(`${response.status} ${STATUS_CODES[response.status] ?? 'Unknown'}`);
  eachHeader(response, request.id, (name, value) => res.writeHeader(name, value));
  if (response.stream !== undefined && request.wireMethod !== 'HEAD') return openStream(res, response.stream);
  if (isBodyless(response.status)) res.endWithoutBody();
  else if (request.wireMethod === 'HEAD') res.endWithoutBody(bodyBytes(response));
  else res.end(response.body);
  return null;
}

import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../../kit/log.js';
import type { HttpHandler, HttpResponse } from '../../wire/http.js';
import { openStream } from './node-stream.js';
import {
  BufferedRequest,
  bodyBytes,
  bodyTooLarge,
  clientAddress,
  eachHeader,
  handle,
  isBodyless,
  unmapped,
} from './request.js';
import type { TransportOptions } from './transport.js';

/** @returns the handler for every HTTP request that is no WebSocket upgrade. */
export function httpListener(handler: HttpHandler, { maxBodyBytes, trustedProxies }: TransportOptions, log: Log) {
  return (req: IncomingMessage, res: ServerResponse): void => {
    const request = readHead(req, trustedProxies);
    const answer = (response: HttpResponse) => writeResponse(res, request, response);
    res.on('error', ignore);
    collectBody(req, maxBodyBytes, (body) => {
      if (body === null) return answer(bodyTooLarge(maxBodyBytes));
      request.body = body;
      const response = handle(handler, request, log);
      if (response instanceof Promise) void response.then(answer);
      else answer(response);
    });
  };
}

export function readHead(req: IncomingMessage, trustedProxies: number | undefined): BufferedRequest {
  const headers = new Map<string, string>();
  for (const [name, value] of Object.entries(req.headers)) {
    if (value !== undefined) headers.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  const url = req.url ?? '/';
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const direct = unmapped(req.socket.remoteAddress ?? '');
  const address = clientAddress(direct, headers.get('x-forwarded-for'), trustedProxies);
  return new BufferedRequest(req.method ?? 'GET', path, query, headers, address);
}

/** Calls `done` once: with the whole body, or with null as soon as it passes the limit; never where the peer goes away. */
function collectBody(req: IncomingMessage, maxBodyBytes: number, done: (body: Uint8Array | null) => void): void {
  const chunks: Buffer[] = [];
  let bytes = 0;
  req.on('error', ignore);
  req.on('data', (chunk: Buffer) => {
    if (bytes > maxBodyBytes) return;
    bytes += chunk.length;
    if (bytes <= maxBodyBytes) chunks.push(chunk);
    else done(null);
  });
  req.on('end', () => {
    if (bytes <= maxBodyBytes) done(Buffer.concat(chunks, bytes));
  });
}

function writeResponse(res: ServerResponse, request: BufferedRequest, response: HttpResponse): void {
  if (res.destroyed || res.headersSent) return;
  res.statusCode = response.status;
  eachHeader(response, request.id, (name, value) => res.setHeader(name, value));
  if (response.stream !== undefined && request.wireMethod !== 'HEAD') {
    openStream(res, response.stream);
    return;
  }
  if (isBodyless(response.status)) {
    res.end();
    return;
  }
  res.setHeader('content-length', bodyBytes(response));
  if (request.wireMethod === 'HEAD') res.end();
  else res.end(response.body);
}

/** Answers an upgrade with an ordinary response and ends the connection. */
export function refuse(req: IncomingMessage, tcp: Duplex, request: BufferedRequest, response: HttpResponse): void {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  tcp.on('error', ignore);
  // Node types the socket of an upgrade as Duplex; of a plain server it is a net.Socket.
  res.assignSocket(req.socket);
  res.on('finish', () => tcp.end());
  writeResponse(res, request, response);
}

/** The peer went away in the middle: nobody is left to answer. */
function ignore(): void {}

import type { HttpRequest as UwsRequest, HttpResponse as UwsResponse, us_socket_context_t } from 'uWebSockets.js';
import type { Log } from '../../kit/log.js';
import { addressText, clientAddress, decide, failure, parseProtocols } from './request.js';
import type { SocketHandlers, TransportOptions, UpgradeRequest } from './transport.js';
import { readHead, writeResponse } from './uws-http.js';
import { type UserData, UwsSocket } from './uws-socket.js';

/**
 * Reads straight from uWS's request, which lives as long as the callback. Copying all headers, as for HTTP requests, would
 * leave a hundred times the garbage a connection and, in a storm of them, a heap that never shrinks again.
 */
class UwsUpgradeRequest implements UpgradeRequest {
  readonly remoteAddress: string;
  readonly #req: UwsRequest;

  constructor(res: UwsResponse, req: UwsRequest, trustedProxies: number | undefined) {
    this.#req = req;
    const direct = addressText(new Uint8Array(res.getRemoteAddress()));
    this.remoteAddress = clientAddress(direct, this.header('x-forwarded-for'), trustedProxies);
  }

  get path(): string {
    return this.#req.getUrl();
  }

  get rawQuery(): string {
    return this.#req.getQuery() ?? '';
  }

  get query(): URLSearchParams {
    return new URLSearchParams(this.rawQuery);
  }

  get protocols(): readonly string[] {
    return parseProtocols(this.#req.getHeader('sec-websocket-protocol'));
  }

  header(name: string): string | undefined {
    const value = this.#req.getHeader(name);
    return value === '' ? undefined : value;
  }
}

/** Answers at once, as uWS wants; it computes the handshake itself. */
export function upgrade<T>(
  handlers: SocketHandlers<T>,
  options: TransportOptions,
  log: Log,
  res: UwsResponse,
  req: UwsRequest,
  context: us_socket_context_t,
): void {
  const request = new UwsUpgradeRequest(res, req, options.trustedProxies);
  const decision = decide(handlers, request, (error) =>
    failure(readHead(res, req, options.trustedProxies), error, log),
  );
  if ('refuse' in decision) {
    writeResponse(res, readHead(res, req, options.trustedProxies), decision.refuse);
    return;
  }
  const socket = new UwsSocket(decision.data, request.remoteAddress, options);
  // No extensions: compression costs several times the CPU of what it saves here.
  res.upgrade<UserData<T>>({ socket }, req.getHeader('sec-websocket-key'), decision.protocol ?? '', '', context);
}

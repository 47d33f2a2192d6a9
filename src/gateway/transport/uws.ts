import type { TemplatedApp, us_listen_socket, WebSocketBehavior } from 'uWebSockets.js';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Frame } from '../../wire/codec.js';
import { CLOSE } from '../../wire/codes.js';
import type { HttpHandler } from '../../wire/http.js';
import { listenError, probe } from './listen.js';
import { IdleSweep } from './sweep.js';
import type { CreateTransport, Listening, SocketHandlers, Transport, TransportOptions } from './transport.js';
import { httpRoute } from './uws-http.js';
import type { UserData, UwsSocket } from './uws-socket.js';
import { upgrade } from './uws-upgrade.js';

export type Uws = typeof import('uWebSockets.js');

/** uWS cuts frames over its own limit without a close frame; up to this they are read whole, so that 1009 can be said. */
const READ_LIMIT_BYTES = 256 * 1024;
/** uWS's own idle timer only ends sockets that were closed by us and never answered; the sweep comes first for all others. */
const LINGER_SECONDS = 8;
const MAX_IDLE_SECONDS = 960;

/** @returns a factory of transports on uWebSockets.js; `uws` is its loaded module. */
export function uwsTransport(uws: Uws, log: Log, clock: Clock, listening: Listening): CreateTransport {
  return <T>(http: HttpHandler, sockets: SocketHandlers<T>, options: TransportOptions) =>
    new UwsTransport(uws, http, sockets, options, log, clock, listening);
}

class UwsTransport<T> implements Transport {
  readonly kind = 'uws';
  readonly #uws: Uws;
  readonly #app: TemplatedApp;
  readonly #sockets = new Set<UwsSocket<T>>();
  readonly #idle: IdleSweep;
  #listening: us_listen_socket | null = null;
  readonly #shared: boolean;
  #closed = false;
  /** Published since the sockets were last looked at. */
  #unseenBytes = 0;
  readonly #lookAfterBytes: number;

  constructor(
    uws: Uws,
    http: HttpHandler,
    handlers: SocketHandlers<T>,
    options: TransportOptions,
    log: Log,
    clock: Clock,
    listening: Listening,
  ) {
    this.#uws = uws;
    this.#shared = listening === 'shared';
    this.#lookAfterBytes = options.maxBufferedBytes / 4;
    this.#idle = new IdleSweep(this.#sockets, options.idleTimeoutMs, clock);
    this.#app = uws.App();
    this.#app.ws<UserData<T>>('/*', behavior(handlers, options, this.#sockets, this.#idle, log));
    this.#app.any('/*', httpRoute(http, options, log));
  }

  /**
   * uWS's own exclusive option would also leave out SO_REUSEADDR, and a restart would fail for a minute on the connections
   * of the process before; without it two processes share a port in silence, which is what workers do, between which the kernel
   * then spreads the connections (SO_REUSEPORT). Where nobody else is meant to be there, a plain socket asks first.
   */
  async listen(host: string, port: number): Promise<number> {
    const refusal = port === 0 || this.#shared ? null : await probe(host, port);
    if (refusal !== null) throw listenError(host, port, refusal);
    const socket = await new Promise<us_listen_socket | false>((resolve) => {
      this.#app.listen(host, port, resolve);
    });
    // uWS does not say why it failed: the operating system is asked again.
    if (socket === false) throw listenError(host, port, (await probe(host, port)) ?? 'unknown reason');
    this.#listening = socket;
    return this.#uws.us_socket_local_port(socket);
  }

  /**
   * uWS's own limit does not keep the promise of a prefix without holes: after it has dropped a frame it may flush its buffer
   * within the same call, and take the next frame. So it has none, and the sockets are looked at here, each time so much was
   * published that one of them could have grown by a quarter of what it may hold: nothing is done per delivery.
   */
  publish(topic: string, frame: Frame): void {
    if (this.#closed) return;
    this.#unseenBytes += frame.length;
    if (this.#unseenBytes > this.#lookAfterBytes) {
      this.#unseenBytes = 0;
      for (const socket of this.#sockets) socket.cutIfSlow();
    }
    this.#app.publish(topic, frame, typeof frame !== 'string', false);
  }

  stopListening(): void {
    if (this.#listening !== null) this.#uws.us_listen_socket_close(this.#listening);
    this.#listening = null;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.stop();
    this.stopListening();
    this.#app.close();
  }
}

function behavior<T>(
  handlers: SocketHandlers<T>,
  options: TransportOptions,
  sockets: Set<UwsSocket<T>>,
  idle: IdleSweep,
  log: Log,
): WebSocketBehavior<UserData<T>> {
  return {
    maxPayloadLength: Math.max(options.maxInboundBytes, READ_LIMIT_BYTES),
    // Unlimited, because its limit makes holes; see UwsTransport.publish.
    maxBackpressure: 0,
    idleTimeout: Math.min(MAX_IDLE_SECONDS, Math.ceil(options.idleTimeoutMs / 1000) + LINGER_SECONDS),
    sendPingsAutomatically: false,
    upgrade: (res, req, context) => upgrade(handlers, options, log, res, req, context),
    open(ws) {
      const { socket } = ws.getUserData();
      socket.ws = ws;
      socket.heard = idle.beat;
      sockets.add(socket);
      handlers.open(socket);
    },
    message(ws, message, isBinary) {
      const { socket } = ws.getUserData();
      socket.heard = idle.beat;
      if (message.byteLength > options.maxInboundBytes) socket.close(CLOSE.tooBig.code, CLOSE.tooBig.reason);
      else handlers.message(socket, isBinary ? null : textOf(message));
    },
    drain(ws) {
      handlers.drain(ws.getUserData().socket);
    },
    ping(ws) {
      ws.getUserData().socket.heard = idle.beat;
    },
    pong(ws, payload) {
      const { socket } = ws.getUserData();
      socket.heard = idle.beat;
      handlers.pong(socket, textOf(payload));
    },
    close(ws, code) {
      const { socket } = ws.getUserData();
      socket.ws = null;
      sockets.delete(socket);
      if (socket.cutSlow) setImmediate(() => closedLater(handlers, socket, code));
      else handlers.close(socket, code);
    },
  };
}

/** A slow socket is cut from within `publish` or `send`, where the gateway does not expect to be called back. */
function closedLater<T>(handlers: SocketHandlers<T>, socket: UwsSocket<T>, code: number): void {
  socket.cutSlow = false;
  handlers.close(socket, code);
}

function textOf(bytes: ArrayBuffer): string {
  return Buffer.from(bytes).toString('utf8');
}

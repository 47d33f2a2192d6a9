import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket as TcpSocket } from 'node:net';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Frame } from '../../wire/codec.js';
import { CLOSE } from '../../wire/codes.js';
import type { HttpHandler } from '../../wire/http.js';
import { listenError } from './listen.js';
import { encodeFrame } from './node-frame.js';
import { httpListener, readHead, refuse } from './node-http.js';
import { NodeSocket, type Shared } from './node-socket.js';
import { type BufferedRequest, decide, failure } from './request.js';
import { IdleSweep } from './sweep.js';
import { Topics } from './topics.js';
import type { CreateTransport, Listening, SocketHandlers, Transport, TransportOptions } from './transport.js';
import { Turn } from './turn.js';

const WEBSOCKET_KEY = /^[+/0-9A-Za-z]{22}==$/;
const CUT = 1006;
const TOO_BIG = 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';

/** @returns a factory of transports on node:http and `ws`, for systems where uWebSockets.js does not load. */
export function nodeTransport(log: Log, clock: Clock, listening: Listening): CreateTransport {
  return <T>(http: HttpHandler, sockets: SocketHandlers<T>, options: TransportOptions) =>
    new NodeTransport(http, sockets, options, log, clock, listening);
}

class NodeTransport<T> implements Transport {
  readonly kind = 'node';
  readonly #server: Server;
  readonly #wss: WebSocketServer;
  readonly #handlers: SocketHandlers<T>;
  readonly #log: Log;
  readonly #connections = new Set<TcpSocket>();
  readonly #sockets = new Set<NodeSocket<T>>();
  readonly #topics = new Topics<NodeSocket<T>>();
  readonly #idle: IdleSweep;
  readonly #shared: Shared<T>;
  readonly #listening: Listening;
  #closed: Promise<void> | null = null;

  constructor(
    http: HttpHandler,
    handlers: SocketHandlers<T>,
    options: TransportOptions,
    log: Log,
    clock: Clock,
    listening: Listening,
  ) {
    this.#listening = listening;
    this.#handlers = handlers;
    this.#log = log;
    this.#idle = new IdleSweep(this.#sockets, options.idleTimeoutMs, clock);
    this.#wss = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxInboundBytes,
    });
    this.#shared = {
      maxBufferedBytes: options.maxBufferedBytes,
      topics: this.#topics,
      turn: new Turn(),
      drained: (socket) => handlers.drain(socket),
      closed: (socket, code) => {
        this.#sockets.delete(socket);
        handlers.close(socket, code);
      },
    };
    this.#server = createServer({ noDelay: true }, httpListener(http, options, log));
    this.#server.on('connection', (tcp) => {
      this.#connections.add(tcp);
      tcp.once('close', () => this.#connections.delete(tcp));
    });
    this.#server.on('upgrade', (req, _tcp, head) => {
      this.#upgrade(req, readHead(req, options.trustedProxies), head);
    });
  }

  /** Not exclusive, a worker of node:cluster listens through its primary, which hands connections out in turn. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException) => reject(listenError(host, port, error.code ?? error.message));
      this.#server.once('error', failed);
      this.#server.listen({ host, port, exclusive: this.#listening === 'alone' }, () => {
        this.#server.off('error', failed);
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  publish(topic: string, frame: Frame): void {
    const subscribers = this.#topics.subscribers(topic);
    if (subscribers === undefined) return;
    const encoded = encodeFrame(frame);
    for (const socket of subscribers) socket.enqueue(encoded);
  }

  stopListening(): void {
    this.#server.close();
  }

  close(): Promise<void> {
    this.#closed ??= this.#cutAll();
    return this.#closed;
  }

  #cutAll(): Promise<void> {
    this.#idle.stop();
    const closed = new Promise<void>((resolve) => {
      if (this.#server.listening) this.#server.close(() => resolve());
      else resolve();
    });
    for (const socket of this.#sockets) socket.terminate();
    for (const tcp of this.#connections) tcp.destroy();
    return closed;
  }

  #upgrade(req: IncomingMessage, request: BufferedRequest, head: Buffer): void {
    const tcp = req.socket;
    // Asked before the gateway is, which would otherwise wait for a connection that never opens.
    if (!tcp.readable || !tcp.writable || !WEBSOCKET_KEY.test(request.header('sec-websocket-key') ?? '')) {
      tcp.destroy();
      return;
    }
    const decision = decide(this.#handlers, request, (error) => failure(request, error, this.#log));
    if ('refuse' in decision) {
      refuse(req, tcp, request, decision.refuse);
      return;
    }
    // `ws` answers the first protocol it finds on offer.
    if (decision.protocol === null) delete req.headers['sec-websocket-protocol'];
    else req.headers['sec-websocket-protocol'] = decision.protocol;
    this.#wss.handleUpgrade(req, tcp, head, (ws) => {
      this.#open(new NodeSocket(decision.data, request.remoteAddress, ws, tcp, this.#shared));
    });
  }

  #open(socket: NodeSocket<T>): void {
    socket.heard = this.#idle.beat;
    this.#sockets.add(socket);
    attach(socket, this.#handlers, this.#idle);
    this.#handlers.open(socket);
  }
}

/** Connects what `ws` and TCP report to the gateway's handlers; nothing reaches them after the close. */
function attach<T>(socket: NodeSocket<T>, handlers: SocketHandlers<T>, idle: IdleSweep): void {
  const { ws, tcp } = socket;
  ws.on('message', (data: RawData, isBinary: boolean) => {
    socket.heard = idle.beat;
    if (socket.isOpen) handlers.message(socket, isBinary ? null : String(data));
  });
  ws.on('ping', () => {
    socket.heard = idle.beat;
  });
  ws.on('pong', (payload: Buffer) => {
    socket.heard = idle.beat;
    if (socket.isOpen) handlers.pong(socket, payload.toString('utf8'));
  });
  // `ws` has answered a breach of the protocol with its own close frame by now.
  ws.on('error', (error: NodeJS.ErrnoException) => socket.finish(error.code === TOO_BIG ? CLOSE.tooBig.code : CUT));
  ws.on('close', (code: number) => socket.finish(code));
  closeOnEnd(ws, tcp);
}

/** A peer that stops reading and hangs up must not wait for what it will never take. */
function closeOnEnd(ws: WebSocket, tcp: TcpSocket): void {
  tcp.on('end', () => {
    if (ws.readyState !== ws.OPEN && tcp.writableLength > 0) tcp.destroy();
  });
}

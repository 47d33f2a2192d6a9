import type { Frame } from '../../wire/codec.js';
import { CLOSE } from '../../wire/codes.js';
import { type HttpRequest, type HttpResponse, type HttpStream, problem } from '../../wire/http.js';
import type { AuthFailure } from '../../wire/identity.js';
import { isOriginAllowed } from '../../wire/origin.js';
import type { Connection } from '../connection.js';
import { type Context, end } from '../context.js';
import { messageOf } from '../rechecks.js';
import { Topics } from '../transport/topics.js';
import type { SocketHandlers } from '../transport/transport.js';
import { Turn } from '../transport/turn.js';
import { auth } from '../verbs/auth.js';
import { subscribe } from '../verbs/subscribe.js';
import { eventOf } from './event.js';
import { readStreamRequest, type StreamRequest } from './request.js';
import { type Shared, SseSocket } from './socket.js';

export const SSE_PATH = '/v1/sse';
/** How long clients are told to wait before they come back: this and a random part, so that they do not all come at once. */
const RETRY_MS = 1000;
const RETRY_SPREAD_MS = 2000;
const PREFLIGHT_SECONDS = '86400';

/** The gateway, as streams need it. */
export interface StreamHost {
  readonly context: Context;
  readonly handlers: Pick<SocketHandlers<Connection>, 'open' | 'pong' | 'drain' | 'close'>;
  readonly origins: ReadonlySet<string>;
  readonly random: () => number;
  createConnection(): Connection;
  /** Why nobody may connect from there now; null: they may. */
  refuse(remoteAddress: string): HttpResponse | null;
}

/**
 * Server-sent events: connections of the gateway like any other, whose messages are events of an HTTP answer without an end. What
 * they are subscribed to is in the address.
 */
export class EventStreams {
  readonly #host: StreamHost;
  readonly #topics = new Topics<SseSocket>();
  readonly #shared: Shared;

  constructor(host: StreamHost, maxBufferedBytes: number) {
    this.#host = host;
    const { handlers } = host;
    this.#shared = {
      maxBufferedBytes,
      topics: this.#topics,
      turn: new Turn(),
      pong: (socket, payload) => handlers.pong(socket, payload),
      drained: (socket) => handlers.drain(socket),
      closed: (socket, code) => handlers.close(socket, code),
    };
  }

  /** To every stream that is subscribed to the topic. */
  publish(topic: string, frame: Frame): void {
    const sockets = this.#topics.subscribers(topic);
    if (sockets === undefined) return;
    const event = eventOf(frame);
    for (const socket of sockets) socket.take(event);
  }

  /** GET /v1/sse?channels&snapshot&lastEventId */
  async answer(request: HttpRequest): Promise<HttpResponse> {
    const response = await this.#answer(request);
    return { ...response, headers: { 'access-control-allow-origin': '*', ...response.headers } };
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    if (request.method === 'OPTIONS') return this.#preflight(request);
    if (request.method !== 'GET') return methodNotAllowed();
    const wanted = readStreamRequest(request);
    if ('refusal' in wanted) return wanted.refusal;
    const refusal = this.#host.refuse(request.remoteAddress) ?? (await this.#refuseToken(wanted));
    if (refusal !== null) {
      this.#host.context.stats.refused(refusal.status);
      return refusal;
    }
    return {
      status: 200,
      headers: HEADERS,
      body: '',
      stream: (out) => this.#open(wanted, request.remoteAddress, out),
    };
  }

  /** Pages of other sites may read what is for everybody; those that are allowed to may send tokens. */
  #preflight(request: HttpRequest): HttpResponse {
    const mayAll = isOriginAllowed(request.header('origin'), request.header('host'), this.#host.origins);
    const headers = {
      allow: ALLOWED,
      'access-control-allow-methods': 'GET',
      'access-control-allow-headers': mayAll ? 'authorization, last-event-id' : 'last-event-id',
      'access-control-max-age': PREFLIGHT_SECONDS,
    };
    return { status: 204, headers, body: '' };
  }

  /** Asked before the answer begins, so that a token that is no good is a status that clients understand. */
  async #refuseToken({ token, channels }: StreamRequest): Promise<HttpResponse | null> {
    const { users, stats, log } = this.#host.context;
    if (token === null) return channels.includes('signals') ? NO_TOKEN : null;
    try {
      const result = await users.verify(token);
      if (!('failure' in result)) return null;
      stats.authFailures++;
      return unauthorized(result.failure);
    } catch (error) {
      log.warn({ error: messageOf(error).replaceAll(token, '(token)') }, 'a token cannot be verified now');
      const detail = 'Tokens cannot be verified now; try again later.';
      return problem(503, 'Unavailable', detail, { code: 'unavailable' }, { 'retry-after': '2' });
    }
  }

  #open(wanted: StreamRequest, remoteAddress: string, out: HttpStream): SseSocket {
    const host = this.#host;
    const connection = host.createConnection();
    const { channels, positions } = wanted;
    const socket = new SseSocket(connection, remoteAddress, channels, positions, out, this.#shared);
    socket.write(`retry: ${Math.round(RETRY_MS + RETRY_SPREAD_MS * host.random())}\n\n`);
    const isFull = host.refuse(remoteAddress) !== null;
    host.handlers.open(socket);
    if (isFull) end(connection, CLOSE.tryAgainLater, host.context.stats);
    else if (wanted.token === null) this.#subscribe(connection, wanted);
    else void this.#begin(connection, wanted, wanted.token);
    return socket;
  }

  /** A token that got no place ends the stream, with the error that says why before it. */
  async #begin(connection: Connection, wanted: StreamRequest, token: string): Promise<void> {
    const { context } = this.#host;
    await auth(connection, token, undefined, context);
    if (connection.login === null) end(connection, CLOSE.tryAgainLater, context.stats);
    else this.#subscribe(connection, wanted);
  }

  #subscribe(connection: Connection, { channels, positions, snapshot }: StreamRequest): void {
    if (connection.closing || connection.socket === null) return;
    const items = channels.map((channel, place) => {
      const position = channel === 'status' ? null : (positions[place] ?? null);
      return position === null ? channel : { channel, position };
    });
    const first = snapshot === null ? {} : { snapshot };
    subscribe(connection, { op: 'subscribe', channels: items, ...first }, this.#host.context);
  }
}

const ALLOWED = 'GET, HEAD, OPTIONS';
const HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // Proxies of the nginx kind would hold events back.
  'x-accel-buffering': 'no',
  'x-content-type-options': 'nosniff',
};

const CHALLENGE = { 'www-authenticate': 'Bearer' };
const NO_TOKEN = problem(
  401,
  'Unauthorized',
  'The channel signals needs a token: "Authorization: Bearer …".',
  { code: 'auth_required' },
  CHALLENGE,
);
const FAILURES: Readonly<Record<AuthFailure, { code: string; detail: string }>> = {
  invalid_token: { code: 'invalid_token', detail: 'The token is none of this server, or was altered.' },
  token_expired: { code: 'token_expired', detail: 'The token has expired: refresh it.' },
  revoked: { code: 'token_revoked', detail: 'The session has ended, or the key was revoked: log in again.' },
};

function unauthorized(failure: AuthFailure): HttpResponse {
  const { code, detail } = FAILURES[failure];
  return problem(401, 'Unauthorized', detail, { code }, CHALLENGE);
}

function methodNotAllowed(): HttpResponse {
  return problem(405, 'Method not allowed', `${SSE_PATH} answers ${ALLOWED}.`, {}, { allow: ALLOWED });
}

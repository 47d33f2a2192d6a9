import type { Log } from '../kit/log.js';
import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import type { Identity, Scope, UserRole } from '../wire/identity.js';
import { type ListedSignal, readUpTo } from '../wire/signals.js';
import { stackOf } from './bearer.js';
import { bad, readBody } from './json-body.js';
import { cursor, flag, integer, optional, readQuery, symbol } from './parameters.js';
import { QueryError } from './query.js';
import type { Route } from './router.js';
import { type PublishSource, publish } from './signals-publish.js';
import { type UserRouteOptions, type UserWork, userRoute } from './user-route.js';

/** The signals of a user. Rejects while they cannot be read or written. */
export interface SignalSource {
  /** The newest first; `before`: only what has a smaller seq. `stale`: they may be old. */
  list(
    userId: string,
    query: {
      readonly before: number | null;
      readonly limit: number;
      readonly unread: boolean;
      readonly symbol: string | null;
    },
  ): Promise<{ readonly signals: readonly ListedSignal[]; readonly stale: boolean }>;
  /** null: the user has no such signal. */
  markRead(userId: string, id: string): Promise<{ readonly readAt: number } | null>;
  /** @returns up to where everything is read now */
  markReadTo(userId: string, seq: number): Promise<number>;
  delete(userId: string, id: string): Promise<boolean>;
}

const PATH = '/v1/signals';
const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;
const CURSOR_PREFIX = 's1.';
export const SIGNAL_PARAMETERS = {
  cursor: optional(cursor(decodeCursor)),
  limit: integer('Signals a page.', 1, MAX_LIMIT, DEFAULT_LIMIT),
  unread: flag('Only what has not been read.'),
  symbol: optional(symbol),
} as const;
const PUBLISHERS: readonly UserRole[] = ['publisher', 'admin'];
const RETRY_AFTER_SECONDS = '2';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The caller's own: GET /v1/signals[?cursor&limit&unread&symbol] → {signals, next[, stale]}, POST /v1/signals/{id}/read →
 * {id, readAt}, POST /v1/signals/read {seq} → {seq}, DELETE /v1/signals/{id}. Publishers and admins: POST /v1/signals (see
 * signals-publish.ts). API keys need `signals:read`; to publish and to delete, `signals:write`.
 */
export function signalRoutes(source: SignalSource, desk: PublishSource, options: UserRouteOptions): Route[] {
  const route = (
    method: Route['method'],
    path: string,
    roles: readonly UserRole[] | null,
    scope: Scope,
    work: UserWork,
  ): Route => ({
    method,
    path,
    handle: userRoute(options, { roles, scope, thing: 'signal', isId: (id) => UUID.test(id), failed: refused }, work),
  });
  return [
    route('GET', PATH, null, 'signals:read', (identity, request) => list(source, identity, request)),
    route('POST', PATH, PUBLISHERS, 'signals:write', (identity, request) => publish(desk, identity, request)),
    route('POST', `${PATH}/read`, null, 'signals:read', (identity, request) => readTo(source, identity, request)),
    route('POST', `${PATH}/{id}/read`, null, 'signals:read', (identity, _, id) => read(source, identity, id)),
    route('DELETE', `${PATH}/{id}`, null, 'signals:write', (identity, _, id) => remove(source, identity, id)),
  ];
}

async function list(source: SignalSource, { userId }: Identity, { query }: HttpRequest): Promise<HttpResponse> {
  const { cursor: before, limit, unread, symbol: only } = readQuery(query, SIGNAL_PARAMETERS);
  // One more than asked tells whether there is a next page.
  const found = await source.list(userId, { before, limit: limit + 1, unread, symbol: only });
  const signals = found.signals.slice(0, limit);
  const last = signals.at(-1);
  const next = found.signals.length > limit && last !== undefined ? encodeCursor(last.seq) : null;
  return json(200, { signals, next, ...(found.stale ? { stale: true } : {}) });
}

async function read(source: SignalSource, { userId }: Identity, id: string): Promise<HttpResponse> {
  const marked = await source.markRead(userId, id);
  return marked === null ? noSuchSignal() : json(200, { id, readAt: marked.readAt });
}

async function readTo(source: SignalSource, { userId }: Identity, request: HttpRequest): Promise<HttpResponse> {
  const given = readBody(request, readUpTo);
  if ('refusal' in given) return given.refusal;
  return json(200, { seq: await source.markReadTo(userId, given.body.seq) });
}

async function remove(source: SignalSource, { userId }: Identity, id: string): Promise<HttpResponse> {
  return (await source.delete(userId, id)) ? { status: 204, headers: {}, body: '' } : noSuchSignal();
}

function noSuchSignal(): HttpResponse {
  return problem(404, 'Not found', 'You have no signal with this id.', { code: 'not_found' });
}

function encodeCursor(seq: number): string {
  return Buffer.from(`${CURSOR_PREFIX}${seq}`).toString('base64url');
}

function decodeCursor(text: string): number | null {
  const [, seq] = /^s1\.(\d{1,15})$/.exec(Buffer.from(text, 'base64url').toString('latin1')) ?? [];
  return seq === undefined || encodeCursor(Number(seq)) !== text ? null : Number(seq);
}

/** Errors are known by their names: they come from another stage. */
function refused(error: unknown, log: Log): HttpResponse {
  if (error instanceof QueryError) return bad(error.message);
  const name = error instanceof Error ? error.name : '';
  const headers = { 'retry-after': RETRY_AFTER_SECONDS };
  if (name === 'KeyReused') {
    const detail = 'This Idempotency-Key was used before for another request; take a new one.';
    return problem(409, 'Conflict', detail, { code: 'key_reused' });
  }
  if (name === 'TooBusy')
    return problem(503, 'Busy', 'Too many signals wait to be written; try again later.', { code: 'busy' }, headers);
  log.error({ error: stackOf(error) }, 'a request about signals failed');
  const detail = 'Signals cannot be read or written now. Send it again later, with the same Idempotency-Key.';
  return problem(503, 'Unavailable', detail, { code: 'signals_unavailable' }, headers);
}

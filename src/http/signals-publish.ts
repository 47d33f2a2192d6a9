import { createHash } from 'node:crypto';
import type { z } from 'zod';
import { type HttpRequest, type HttpResponse, json, problem } from '../wire/http.js';
import type { Identity } from '../wire/identity.js';
import { MAX_SIGNALS, signalsInBulk, signalToAll, signalToUsers } from '../wire/signals.js';
import { bad, readBody } from './json-body.js';

interface Content {
  readonly type: string;
  readonly symbol: string;
  readonly data: Readonly<Record<string, unknown>> | null;
  readonly expiresAt: number | null;
  readonly corrects: string | null;
}

interface Key {
  readonly key: string;
  readonly bodyHash: Buffer;
}

interface Refused {
  readonly index: number;
  readonly userId: string;
  readonly code: 'unknown_user' | 'daily_limit';
  readonly limit: { readonly plan: string; readonly signalsPerDay: number } | null;
}

/** Errors named KeyReused and TooBusy say what was wrong; anything else means: not now. */
export interface PublishSource {
  publish(
    publisherId: string,
    orders: readonly { readonly userIds: readonly string[]; readonly content: Content }[],
    key: Key | null,
  ): Promise<{
    readonly delivered: readonly {
      readonly index: number;
      readonly id: string;
      readonly userId: string;
      readonly seq: number;
    }[];
    readonly refused: readonly Refused[];
    readonly replayed: boolean;
  }>;
  publishToAll(
    publisherId: string,
    content: Content,
    key: Key,
  ): Promise<{ readonly written: number; readonly refused: number; readonly replayed: boolean }>;
}

const MAX_BYTES = 1024 * 1024;
const KEY_HEADER = 'idempotency-key';
/** Printable ASCII. */
const KEY = /^[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?$/;

type ToUsers = z.infer<typeof signalToUsers>;

/**
 * POST /v1/signals, with `Idempotency-Key` so that it can be sent again:
 * - {type, symbol, to: user, data?, expiresAt?, corrects?} → 201 {id, user, seq}; 404 unknown_user, 429 daily_limit;
 * - the same with a list in `to`, or {signals: [...]}, 1,000 in all → 200 {delivered: [{index, id, user, seq}], refused: [{index,
 *   user, code[, plan, limit]}]};
 * - {…, to: "all"}, which needs the key → 200 {written, refused}.
 */
export async function publish(
  source: PublishSource,
  { userId }: Identity,
  request: HttpRequest,
): Promise<HttpResponse> {
  const key = readKey(request);
  if (key === 'bad') return bad('"Idempotency-Key" must be 1 to 255 printable ASCII characters.');
  const shape = shapeOf(request.body);
  if (shape === 'all') return await toAll(source, userId, request, key);
  const given =
    shape === 'bulk' ? readBody(request, signalsInBulk, MAX_BYTES) : readBody(request, signalToUsers, MAX_BYTES);
  if ('refusal' in given) return given.refusal;
  const signals = 'signals' in given.body ? given.body.signals : [given.body];
  const orders = signals.map(toOrder);
  const count = orders.reduce((sum, { userIds }) => sum + userIds.length, 0);
  if (count > MAX_SIGNALS) return bad(`A request may make ${MAX_SIGNALS} signals; this one would make ${count}.`);
  const receipt = await source.publish(userId, orders, key);
  const headers = replayHeader(receipt.replayed);
  const isSingle = 'to' in given.body && typeof given.body.to === 'string';
  const [refused] = receipt.refused;
  if (isSingle && refused !== undefined) return refusal(refused, headers);
  const delivered = receipt.delivered.map(({ index, id, userId: user, seq }) => ({ index, id, user, seq }));
  const [first] = delivered;
  if (isSingle && first !== undefined) return json(201, { id: first.id, user: first.user, seq: first.seq }, headers);
  return json(200, { delivered, refused: receipt.refused.map(toListed) }, headers);
}

async function toAll(
  source: PublishSource,
  userId: string,
  request: HttpRequest,
  key: Key | null,
): Promise<HttpResponse> {
  const given = readBody(request, signalToAll, MAX_BYTES);
  if ('refusal' in given) return given.refusal;
  if (key === null)
    return bad(
      'A signal to all needs an "Idempotency-Key" header, so that it can be sent again should it stop half-way.',
    );
  const { to: _, ...content } = given.body;
  const { written, refused, replayed } = await source.publishToAll(userId, content, key);
  return json(200, { written, refused }, replayHeader(replayed));
}

function toOrder({ to, ...content }: ToUsers): { userIds: readonly string[]; content: Content } {
  return { userIds: typeof to === 'string' ? [to] : [...new Set(to)], content };
}

/** Which of the three it is meant to be, so that only that one is checked; anything that is none is read as a single one. */
function shapeOf(body: Uint8Array): 'single' | 'bulk' | 'all' {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== 'object' || value === null) return 'single';
    if ('signals' in value) return 'bulk';
    return 'to' in value && value.to === 'all' ? 'all' : 'single';
  } catch {
    return 'single';
  }
}

function readKey(request: HttpRequest): Key | null | 'bad' {
  const key = request.header(KEY_HEADER);
  if (key === undefined) return null;
  if (!KEY.test(key)) return 'bad';
  return { key, bodyHash: createHash('sha256').update(request.body).digest() };
}

function replayHeader(replayed: boolean): Record<string, string> {
  return replayed ? { 'idempotent-replayed': 'true' } : {};
}

function refusal(refused: Refused, headers: Readonly<Record<string, string>>): HttpResponse {
  const { code, limit } = refused;
  if (limit === null) return problem(404, 'Unknown user', 'There is no user with this id.', { code }, headers);
  const { plan, signalsPerDay } = limit;
  const detail = `The plan ${plan} of this user gives ${signalsPerDay} signals a day (UTC).`;
  return problem(429, 'Daily limit reached', detail, { code, plan, limit: signalsPerDay }, headers);
}

function toListed({ index, userId, code, limit }: Refused) {
  return { index, user: userId, code, ...(limit === null ? {} : { plan: limit.plan, limit: limit.signalsPerDay }) };
}

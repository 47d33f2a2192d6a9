import type { Interval } from '../market/interval.js';
import type { WireCandle } from '../wire/messages.js';
import type { ListedSignal } from '../wire/signals.js';

const TIMEOUT_MS = 15_000;

export interface SymbolInfo {
  readonly symbol: string;
  readonly source: string;
  readonly synthetic: boolean;
}

/** `GET /v1/symbols`. Rejects with a sentence for people. */
export async function fetchSymbols(): Promise<SymbolInfo[]> {
  const body = (await getJson('/v1/symbols')) as { symbols: SymbolInfo[] };
  return body.symbols;
}

/** The closed candles before `to` (exclusive), ascending, at most `limit` of them: the latest. */
export async function fetchCandlesBefore(
  symbol: string,
  interval: Interval,
  to: number,
  limit: number,
  signal: AbortSignal,
): Promise<WireCandle[]> {
  const query = new URLSearchParams({ symbol, interval, to: String(to), limit: String(limit) });
  const body = (await getJson(`/v1/candles?${query}`, signal)) as { candles: WireCandle[] };
  return body.candles.filter((candle) => candle.t < to);
}

/** The newest signals of the user on a symbol, at most `most`. */
export async function fetchSignals(symbol: string, token: string, most: number): Promise<ListedSignal[]> {
  const found: ListedSignal[] = [];
  for (let cursor: string | null = ''; cursor !== null && found.length < most; ) {
    const query = new URLSearchParams({ symbol, limit: '500', ...(cursor === '' ? {} : { cursor }) });
    const page = (await request(`/v1/signals?${query}`, { headers: bearer(token) })) as {
      signals: ListedSignal[];
      next: string | null;
    };
    found.push(...page.signals);
    cursor = page.next;
  }
  return found;
}

/** Of whoever the token is. */
export async function fetchEmail(token: string): Promise<string | null> {
  const me = (await request('/v1/auth/me', { headers: bearer(token) })) as { email: string | null };
  return me.email;
}

/** Rejects with a sentence for people; with NotAllowed where the server does not know who asks. */
export async function postJson(path: string, body: object, token?: string): Promise<unknown> {
  const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : bearer(token)) };
  return await request(path, { method: 'POST', headers, body: JSON.stringify(body) });
}

export class NotAllowed extends Error {
  override readonly name = 'NotAllowed';
}

/** Whose requests these are; by default nobody's. */
let currentToken: () => Promise<string | null> = async () => null;

/** From now on candles are asked for with this token: plans differ in what they give. */
export function useToken(source: () => Promise<string | null>): void {
  currentToken = source;
}

/** With the token of whoever uses the page. Rejects with a sentence for people. */
export async function getJson(path: string, signal?: AbortSignal): Promise<unknown> {
  const token = await currentToken();
  const init = token === null ? {} : { headers: bearer(token) };
  return await request(path, signal === undefined ? init : { ...init, signal });
}

async function request(path: string, init: RequestInit): Promise<unknown> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  const response = await fetch(path, { ...init, signal }).catch((error: unknown) => {
    throw error instanceof TypeError ? new Error('the server cannot be reached') : error;
  });
  if (response.ok) return response.status === 204 ? null : await response.json();
  const problem: unknown = await response.json().catch(() => null);
  const message = detailOf(problem) ?? `the server answered ${response.status}`;
  throw response.status === 401 ? new NotAllowed(message) : new Error(message);
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

function detailOf(problem: unknown): string | null {
  if (typeof problem !== 'object' || problem === null || !('detail' in problem)) return null;
  return typeof problem.detail === 'string' ? problem.detail : null;
}

import type { Interval } from '../market/interval.js';
import type { WireCandle } from '../wire/messages.js';

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

async function getJson(path: string, signal?: AbortSignal): Promise<unknown> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const response = await fetch(path, { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) });
  if (response.ok) return await response.json();
  const problem: unknown = await response.json().catch(() => null);
  throw new Error(detailOf(problem) ?? `the server answered ${response.status}`);
}

function detailOf(problem: unknown): string | null {
  if (typeof problem !== 'object' || problem === null || !('detail' in problem)) return null;
  return typeof problem.detail === 'string' ? problem.detail : null;
}

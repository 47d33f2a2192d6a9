import type { WireCandle } from '../wire/messages.js';
import { backoffMs } from './backoff.js';
import { CandlecastError } from './errors.js';
import type { Place } from './items.js';

const PAGE_CANDLES = 1000;
const TIMEOUT_MS = 15_000;
const RETRY_FLOOR_MS = 300;

export interface Page {
  readonly candles: readonly WireCandle[];
  /** To be given as `cursor` for the next one; null: the last one. */
  readonly next: string | null;
  readonly limited?: { readonly plan: string; readonly historyDays: number };
}

/** What REST needs to be asked. */
export interface RestSource {
  restUrl(): string;
  token(refresh: boolean): Promise<string | null>;
}

/** The candles that open from `from` (inclusive) to `to` (exclusive), page by page, ascending. Rejects where it is of no use to try again. */
export async function* pagesOf(
  source: RestSource,
  { symbol, interval }: Place,
  from: number,
  to: number,
  signal: AbortSignal,
): AsyncGenerator<Page> {
  let cursor: string | null = null;
  do {
    const start: Record<string, string> = cursor === null ? { from: String(from) } : { cursor };
    const query = new URLSearchParams({ symbol, interval, ...start, to: String(to), limit: String(PAGE_CANDLES) });
    const page: Page = await getPage(source, `/candles?${query}`, signal);
    yield page;
    cursor = page.next;
  } while (cursor !== null);
}

async function getPage(source: RestSource, path: string, signal: AbortSignal): Promise<Page> {
  let isRefused = false;
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted();
    const answer: Response | null = await ask(source, path, isRefused, signal).catch(() => null);
    signal.throwIfAborted();
    const status: number = answer?.status ?? 503;
    if (answer?.ok === true) return (await answer.json()) as Page;
    if (answer !== null && status < 500 && status !== 429 && (status !== 401 || isRefused)) throw await errorOf(answer);
    isRefused = status === 401;
    await pause(RETRY_FLOOR_MS + backoffMs(failures), signal);
  }
}

async function ask(source: RestSource, path: string, refresh: boolean, signal: AbortSignal): Promise<Response> {
  const token = await source.token(refresh);
  const headers: Record<string, string> = token === null ? {} : { authorization: `Bearer ${token}` };
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), TIMEOUT_MS);
  const cancel = (): void => late.abort();
  signal.addEventListener('abort', cancel);
  try {
    const answer = await fetch(source.restUrl() + path, { headers, signal: late.signal });
    const body = await answer.text();
    return new Response(body, { status: answer.status });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', cancel);
  }
}

async function errorOf(answer: Response): Promise<CandlecastError> {
  const problem = (await answer.json().catch(() => ({}))) as { detail?: string; plan?: string; limit?: string };
  const message = problem.detail ?? `the server answered ${answer.status}`;
  return new CandlecastError(`http_${answer.status}`, message, problem.plan, problem.limit);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

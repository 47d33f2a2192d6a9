const BASE_MS = 500;
const CAP_MS = 15_000;

export interface Backoff {
  readonly baseMs?: number;
  readonly capMs?: number;
}

/** Full jitter: anything between nothing and twice the most of before, so that clients of one server do not come back together. */
export function backoffMs(attempt: number, { baseMs = BASE_MS, capMs = CAP_MS }: Backoff = {}): number {
  return Math.random() * Math.min(capMs, baseMs * 2 ** Math.min(attempt, 20));
}

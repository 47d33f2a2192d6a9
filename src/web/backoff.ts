const BASE_MS = 500;
const CAP_MS = 15_000;

/** Full jitter: anything between nothing and twice the delay before, so that clients of one server do not return together. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  return Math.round(random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 10)));
}

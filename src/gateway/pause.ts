import type { Clock } from '../kit/clock.js';

const BACKOFF_MS = 50;
const BACKOFF_MAX_MS = 500;

export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve);
  });
}

/**
 * Before the next attempt (0: the second): from 50 ms up to half a second, and each a little different, so that what
 * failed together does not return together.
 */
export function backoff(clock: Clock, attempt: number, random: () => number): Promise<void> {
  return pause(clock, Math.min(BACKOFF_MAX_MS, BACKOFF_MS * 2 ** Math.min(attempt, 10)) * (0.5 + random() / 2));
}

/** Lets everything else of the event loop run. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

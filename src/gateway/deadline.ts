import type { Clock } from '../kit/clock.js';

/** Rejects when the work takes longer; what it does is not stopped. */
export function within<T>(limitMs: number, clock: Clock, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => reject(new Error(`no answer within ${limitMs} ms`)));
    void work.then(resolve, reject).finally(cancel);
  });
}

import type { Clock } from '../kit/clock.js';

/** Waits for `work`, but no longer than `limitMs`; what becomes of it then is nobody's concern. */
export async function atMost(limitMs: number, clock: Clock, work: Promise<unknown>): Promise<void> {
  let cancel = (): void => {};
  const late = new Promise<void>((resolve) => {
    cancel = clock.after(limitMs, resolve);
  });
  await Promise.race([work.catch(() => undefined), late]);
  cancel();
}

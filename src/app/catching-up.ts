import type { Clock } from '../kit/clock.js';

/** A database that is well takes far less for what has just closed. */
const MOMENT_MS = 2000;

/** Lets readers wait a moment until the store has what is durable; all that come meanwhile share one wait. */
export function catchingUp(drained: () => Promise<void>, clock: Clock): () => Promise<void> {
  let shared: Promise<void> | null = null;
  return async () => {
    shared ??= drained()
      // The writer was stopped: whoever reads finds out.
      .catch(() => {})
      .finally(() => {
        shared = null;
      });
    let cancel = (): void => {};
    const moment = new Promise<void>((resolve) => {
      cancel = clock.after(MOMENT_MS, resolve);
    });
    await Promise.race([shared, moment]);
    cancel();
  };
}

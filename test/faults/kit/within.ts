import { setTimeout as pause } from 'node:timers/promises';

/** Rejects when `work` takes longer: a test that hangs would not say why. */
export async function within<T>(limitMs: number, what: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = pause(limitMs, undefined, { signal: done.signal }).then(() => {
    throw new Error(`${what}: not within ${limitMs} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
  }
}

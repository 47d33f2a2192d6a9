import type { Ground } from './run.js';

/** What a command does. @returns its exit code; nothing is 0. */
export type Work<A extends readonly unknown[]> = (ground: Ground, ...given: A) => Promise<number | undefined>;

/** The action of a command whose work, like everything below it, is loaded when it runs: help and mistakes wait for nothing. */
export function perform<A extends readonly unknown[]>(load: () => Promise<Work<A>>): (...given: A) => Promise<void> {
  return async (...given) => {
    const [{ run }, work] = await Promise.all([import('./run.js'), load()]);
    await run((ground) => work(ground, ...given));
  };
}

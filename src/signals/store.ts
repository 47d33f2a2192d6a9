import type { Guard } from './guard.js';
import type { Inserted, NewSignal } from './signal.js';

export type { Guard } from './guard.js';

/**
 * Where rules and publishers give their signals to: written first, then told to those who follow.
 *
 * Several things are one statement: places (`seq`) are given out, rows written, and what the `guard` writes beside them. So a rule's
 * firing and its signal are there both or not at all, and a firing that exists makes no second signal (see guard.ts).
 */
export interface SignalSink {
  /**
   * At most 1,000 signals. Resolves when what was stored is committed; rejects when nothing is known about it: give it again
   * with the same guard.
   */
  publish(batch: readonly NewSignal[], guard?: Guard): Promise<Inserted>;
}

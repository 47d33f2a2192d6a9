import { compareDays, repair, SLICE_SYMBOLS } from './copy.js';
import type { AnalyticsDatabase } from './database.js';
import type { DaySource, Stretch } from './source.js';

export interface Rebuilt {
  /** Complete days that the store has. */
  readonly days: number;
  /** Of them, those that were missing or different; and days that were there too many. */
  readonly written: number;
  readonly removed: number;
}

/**
 * Makes `daily_ohlcv` what the store has in a stretch of whole days, some symbols at a time: while those of one slice are written the
 * next are read. Safe to repeat, and to be cut short.
 * @param done called with the last of the symbols that are written.
 */
export async function rebuild(
  source: Pick<DaySource, 'days'>,
  database: AnalyticsDatabase,
  symbols: readonly string[],
  stretch: Stretch,
  done: (symbol: string) => Promise<void>,
): Promise<Rebuilt> {
  let writing = Promise.resolve();
  const sum = { days: 0, written: 0, removed: 0 };
  for (let i = 0; i < symbols.length; i += SLICE_SYMBOLS) {
    const slice = symbols.slice(i, i + SLICE_SYMBOLS);
    const { days, differences } = await compareDays(source, database, slice, stretch);
    await writing;
    sum.days += days;
    sum.removed += differences.filter(({ expected }) => expected === null).length;
    sum.written += differences.filter(({ expected }) => expected !== null).length;
    writing = repair(database, differences).then(() => done(slice.at(-1) ?? ''));
    // Whoever awaits it gets the rejection, also when reading fails before.
    writing.catch(() => {});
  }
  await writing;
  return sum;
}

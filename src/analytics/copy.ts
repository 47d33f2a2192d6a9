import { DAY_MS } from '../market/interval.js';
import type { AnalyticsDatabase, DailyRow, NoDay } from './database.js';
import { type DaySource, dateOf, type Stretch, toRow } from './source.js';

/** What one read of the store brings at most: some ten milliseconds of its time. */
export const PAGE_DAYS = 4000;
/** Symbols whose days are compared together. */
export const SLICE_SYMBOLS = 20;
/** Of one INSERT. */
const INSERT_ROWS = 50_000;
const STORED_ROWS_MAX = 5_000_000;

const STORED = `
  SELECT symbol, date, open, high, low, close, volume, quote_volume AS quoteVolume, trades, version
  FROM daily_ohlcv FINAL
  WHERE symbol IN {symbols:Array(String)} AND date >= {from:Date} AND date < {to:Date}`;
/** The days of ClickHouse's Date. */
const DATE_MIN = '1970-01-01';
const DATE_MAX_MS = Date.UTC(2149, 5, 6);

/** A day that is not in `daily_ohlcv` as the store has it. */
export interface DayDifference {
  readonly symbol: string;
  readonly date: string;
  /** null: there is to be none. */
  readonly expected: DailyRow | null;
  /** null: it is missing. */
  readonly found: DailyRow | null;
}

export interface Compared {
  readonly days: number;
  readonly differences: readonly DayDifference[];
}

/** How it goes on between two reads of the store. */
export type Pause = () => Promise<void>;

/** Compares the complete days of some symbols in a stretch of whole days, page by page. */
export async function compareDays(
  source: Pick<DaySource, 'days'>,
  database: AnalyticsDatabase,
  symbols: readonly string[],
  { from, to }: Stretch,
  pause: Pause = async () => {},
): Promise<Compared> {
  if (from >= to) return { days: 0, differences: [] };
  const stored = await readStored(database, symbols, { from, to });
  const differences: DayDifference[] = [];
  let days = 0;
  let readAt = 0;
  for await (const page of pages(source, symbols, { from, to }, pause)) {
    readAt = page.readAt;
    for (const day of page.days) {
      days++;
      const expected = toRow(day, page.readAt);
      const key = keyOf(expected);
      const found = stored.get(key) ?? null;
      stored.delete(key);
      if (found === null || !same(expected, found))
        differences.push({ symbol: expected.symbol, date: expected.date, expected: after(expected, found), found });
    }
  }
  for (const found of stored.values())
    differences.push({
      symbol: found.symbol,
      date: found.date,
      expected: null,
      found: { ...found, version: Math.max(found.version, readAt) },
    });
  return { days, differences };
}

/** Makes `daily_ohlcv` what the store has; oldest first, so that what is cut short has no holes. */
export async function repair(database: AnalyticsDatabase, differences: readonly DayDifference[]): Promise<void> {
  const rows = differences.flatMap(({ expected }) => expected ?? []);
  const gone = differences.flatMap(({ expected, found }): NoDay[] =>
    expected === null && found !== null ? [{ symbol: found.symbol, date: found.date, version: found.version + 1 }] : [],
  );
  for (let i = 0; i < rows.length; i += INSERT_ROWS) await database.insert(rows.slice(i, i + INSERT_ROWS));
  await database.remove(gone);
}

async function* pages(
  source: Pick<DaySource, 'days'>,
  symbols: readonly string[],
  { from, to }: Stretch,
  pause: Pause,
) {
  if (symbols.length * ((to - from) / DAY_MS) <= PAGE_DAYS) {
    yield await source.days(symbols, from, to, PAGE_DAYS);
    await pause();
    return;
  }
  for (const symbol of symbols) {
    for (let next: number | null = from; next !== null; ) {
      const page = await source.days([symbol], next, to, PAGE_DAYS);
      yield page;
      const last = page.days.at(-1);
      next = last === undefined || page.days.length < PAGE_DAYS ? null : last[1] + DAY_MS;
      await pause();
    }
  }
}

async function readStored(
  database: AnalyticsDatabase,
  symbols: readonly string[],
  { from, to }: Stretch,
): Promise<Map<string, DailyRow>> {
  const bounds = { from: from < 0 ? DATE_MIN : dateOf(from), to: dateOf(Math.min(to, DATE_MAX_MS)) };
  const rows = await database.rows<DailyRow>(STORED, { symbols, ...bounds }, { rows: STORED_ROWS_MAX });
  return new Map(rows.map((row) => [keyOf(row), row]));
}

function keyOf({ symbol, date }: DailyRow): string {
  return `${symbol} ${date}`;
}

/** Later than what it replaces, also where the store's clock was set back. */
function after(expected: DailyRow, found: DailyRow | null): DailyRow {
  if (found === null || found.version < expected.version) return expected;
  return { ...expected, version: found.version + 1 };
}

const COMPARED = ['open', 'high', 'low', 'close', 'volume', 'quoteVolume', 'trades'] as const;

function same(a: DailyRow, b: DailyRow): boolean {
  return COMPARED.every((name) => a[name] === b[name]);
}

import { AnalyticsUnavailable } from '../../analytics/database.js';
import type { Difference } from '../../analytics/differences.js';
import { explain } from '../../analytics/explain.js';
import { type Rebuilt, rebuild } from '../../analytics/rebuild.js';
import type { Stretch } from '../../analytics/source.js';
import { UserError } from '../../kit/errors.js';
import { bucketStart, DAY_MS } from '../../market/interval.js';
import { gapsBetween, symbolsAfter } from '../../store/timescale/daily.js';
import { Database } from '../../store/timescale/database.js';
import { openClickHouse } from '../analytics.js';
import { aggregatesOf, daysOf } from '../analytics-keeper.js';
import { toStop } from '../around.js';
import { explainDatabaseError } from '../database-error.js';
import { reachDatabase } from '../reach-database.js';
import { type Rebuilding, RebuildNote } from '../rebuild-note.js';
import { type AnswerOptions, answer, utcText } from './answer.js';
import { EXIT_FAILURE, EXIT_OK } from './exit.js';
import { readDay } from './read.js';
import type { Ground } from './run.js';

export interface DaysOptions extends AnswerOptions {
  readonly from?: string;
  readonly to?: string;
  readonly symbol?: string;
}

interface Hole {
  readonly symbol: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** UTC days that it touches. */
  readonly days: readonly string[];
}

const STORE_DEADLINE_MS = 60_000;
const SYMBOLS_MAX = 1_000_000;
const LINES_MAX = 200;

/** `candlecast analytics rebuild` */
export async function rebuildDays(ground: Ground, options: DaysOptions): Promise<undefined> {
  const asked = stretchOf(ground, options);
  const { store, known, database } = await open(ground);
  const symbols = wantedOf(known, options.symbol);
  const note = new RebuildNote(ground.config.dataDir);
  const begun = resumable(await note.read(), asked, options);
  const stretch = begun ?? asked;
  const after = begun?.done ?? null;
  const rest = after === null ? symbols : symbols.filter((symbol) => symbol > after);
  const done = await ground.progress.during(`Rebuilding ${inDays(stretch)}`, (line) =>
    orAdvice(
      rebuild(daysOf(store), database, rest, stretch, async (symbol) => {
        await note.write({ from: stretch.from, to: stretch.to, symbol: options.symbol ?? null, done: symbol });
        line.update((symbols.indexOf(symbol) + 1) / symbols.length);
      }),
    ),
  );
  await note.remove();
  const holes = (await store.run((sql) => gapsBetween(sql, options.symbol ?? null, stretch.from, stretch.to))).map(
    ({ symbol, from, to, reason }): Hole => ({
      symbol,
      from: new Date(from).toISOString(),
      to: new Date(to).toISOString(),
      reason,
      days: daysIn(Math.max(from, stretch.from), Math.min(to, stretch.to)),
    }),
  );
  const to = dayText(stretch.to);
  answer(options, { to, symbols: rest.length, resumedAfter: after, ...done, holes }, (value) =>
    inWords(value, stretch),
  );
}

/** The one of which this is the rest: without `--to` it ends where that was to end, for what it has written ends there. */
function resumable(begun: Rebuilding | null, { from, to }: Stretch, options: DaysOptions): Rebuilding | null {
  if (begun === null || begun.from !== from || begun.symbol !== (options.symbol ?? null)) return null;
  return begun.to === to || options.to === undefined ? begun : null;
}

/** `candlecast analytics explain` @returns 1 where something differs. */
export async function explainDays(ground: Ground, options: DaysOptions): Promise<number> {
  const stretch = stretchOf(ground, options);
  const { store, known, database } = await open(ground);
  const symbols = wantedOf(known, options.symbol);
  const found: Difference[] = [];
  const compared = { source: daysOf(store), aggregates: aggregatesOf(store, ground.clock), database };
  await ground.progress.during(`Comparing ${inDays(stretch)}`, async (line) => {
    for (const [i, symbol] of symbols.entries()) {
      await orAdvice(collect(explain(compared, [symbol], stretch), found));
      line.update((i + 1) / symbols.length);
    }
  });
  answer(options, { symbols: symbols.length, differences: found }, ({ differences }) =>
    differences.length === 0
      ? `${symbols.length} symbols, ${inDays(stretch)}: nothing differs`
      : [...differences.slice(0, LINES_MAX).map(inLine), ...more(differences.length)].join('\n'),
  );
  return found.length === 0 ? EXIT_OK : EXIT_FAILURE;
}

async function collect(parts: AsyncGenerator<readonly Difference[]>, into: Difference[]): Promise<void> {
  for await (const some of parts) into.push(...some);
}

async function open(ground: Ground) {
  const { config, clock, lifecycle } = ground;
  const url = await reachDatabase(ground, config.timescaleUrl);
  const store = new Database({ url, clock, deadlineMs: STORE_DEADLINE_MS });
  await lifecycle.start(toStop('analytics reader', () => store.close()));
  // Also whether it can be used at all.
  const known = await store
    .run((sql) => symbolsAfter(sql, '', SYMBOLS_MAX))
    .catch((error: unknown) => {
      throw explainDatabaseError(error, url);
    });
  return { store, known, database: await lifecycle.start(openClickHouse(ground)) };
}

function wantedOf(symbols: readonly string[], wanted: string | undefined): readonly string[] {
  if (wanted === undefined) return symbols;
  if (!symbols.includes(wanted))
    throw new UserError(`there are no candles of ${wanted}: --symbol is one of those stored`);
  return [wanted];
}

/** Up to the last day that has closed. @throws UserError */
function stretchOf({ clock, config }: Ground, { from, to }: DaysOptions): Stretch {
  const last = bucketStart('1d', clock.now() - config.graceMs);
  const stretch = {
    from: from === undefined ? 0 : Date.parse(readDay('--from', from)),
    to: to === undefined ? last : Date.parse(readDay('--to', to)),
  };
  if (stretch.from >= stretch.to) throw new UserError('--from must be before --to, which is exclusive');
  if (stretch.to > last)
    throw new UserError(`--to is exclusive and must not be after ${dayText(last)}: only complete UTC days are kept`);
  return stretch;
}

/** What an operator can do about it is the operator's to hear without a stack. */
async function orAdvice<T>(work: Promise<T>): Promise<T> {
  return await work.catch((error: unknown) => {
    throw error instanceof AnalyticsUnavailable ? new UserError(error.message, { cause: error }) : error;
  });
}

function inWords(
  {
    symbols,
    resumedAfter,
    days,
    written,
    removed,
    holes,
  }: Rebuilt & { symbols: number; resumedAfter: string | null; holes: readonly Hole[] },
  stretch: Stretch,
): string {
  const went = resumedAfter === null ? '' : `, going on after ${resumedAfter}`;
  const lines = [
    `${symbols} symbols, ${inDays(stretch)}${went}: ${days} days, ${written} of them written, ${removed} taken away`,
  ];
  if (holes.length === 0) return lines.join('\n');
  lines.push(`These days have holes, in which the feed was away:`);
  for (const hole of holes.slice(0, LINES_MAX)) {
    const [from, to] = [utcText(Date.parse(hole.from)), utcText(Date.parse(hole.to))];
    const range = hole.days.length === 1 ? hole.days[0] : `${hole.days[0]} to ${hole.days.at(-1)}`;
    lines.push(`  ${hole.symbol}  ${range}  (${from} to ${to}: ${hole.reason})`);
  }
  return [...lines, ...more(holes.length)].join('\n');
}

function inLine({ table, symbol, time, expected, found, reason }: Difference): string {
  const names = Object.keys(expected ?? found ?? {}).filter((name) => expected?.[name] !== found?.[name]);
  const values =
    expected === null || found === null
      ? ''
      : ` (${names.map((name) => `${name} ${found[name]}, should be ${expected[name]}`).join('; ')})`;
  return `${table}  ${symbol}  ${time}  ${reason}${values}`;
}

function more(count: number): string[] {
  return count > LINES_MAX ? [`… and ${count - LINES_MAX} more; --json names all`] : [];
}

function daysIn(from: number, to: number): string[] {
  const days: string[] = [];
  for (let day = bucketStart('1d', from); day < to; day += DAY_MS) days.push(dayText(day));
  return days;
}

function inDays({ from, to }: Stretch): string {
  return `${from === 0 ? 'the beginning' : dayText(from)} to ${dayText(to - DAY_MS)}`;
}

function dayText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

import { join } from 'node:path';
import { z } from 'zod';
import { CandlePipeline, type DurableRecord } from '../candles/pipeline.js';
import { type ArchiveFile, archiveFiles } from '../feed/venues/archive.js';
import { archiveTrades, restTrades, type Stretch } from '../feed/venues/history.js';
import { isVenueName, VENUE_EXAMPLES, type VenueName, venueOf } from '../feed/venues/sources.js';
import type { Venue } from '../feed/venues/venue.js';
import { UserError } from '../kit/errors.js';
import { MINUTE_MS } from '../market/interval.js';
import { isSymbol, SYMBOL_RULE } from '../market/symbol.js';
import type { Trade } from '../market/trade.js';
import { registerSymbols } from '../store/timescale/symbols.js';
import type { Around } from './around.js';
import { readTime } from './cli/read.js';
import { NoteFile } from './note-file.js';
import { openSoleWriter, type SoleWriter } from './sole-writer.js';
import { settleGaps } from './transfer/holes.js';

/** As given on the command line. */
export interface BackfillOptions {
  readonly from: string;
  readonly to?: string;
  readonly archive?: string;
  readonly rest?: string;
  readonly as?: string;
}

export interface Backfilled {
  readonly symbol: string;
  readonly from: number;
  readonly to: number;
  /** Where an earlier run got to, epoch ms; null: this one did it all. */
  readonly resumedAt: number | null;
  readonly trades: number;
  readonly minutes: number;
  readonly gapsFilled: number;
  readonly gapsAnnounced: number;
}

/** A minute is over for a venue's REST, too, so long after its end. */
const SETTLED_MS = 10_000;
/** What is done is noted this often. */
const NOTE_EVERY_TRADES = 2000;
const GRACE_MS = 2000;

interface Plan extends Stretch {
  readonly venue: Venue;
  readonly base: string;
  readonly archive: string | null;
}

/**
 * Writes the candles of a stretch of the past. It is the only writer while it runs: a server on the same data directory or database
 * makes it refuse. Rows that are there already are replaced by the same, so that it may be run any number of times; a run that was cut
 * short goes on where it stopped. @throws UserError
 */
export async function backfill(
  around: Around,
  name: string,
  native: string,
  options: BackfillOptions,
): Promise<Backfilled> {
  const plan = readPlan(name, native, options, around.clock.now());
  const files = await filesOf(plan);
  const writer = await openSoleWriter(around, 'backfill');
  await writer.store.readers.run((sql) =>
    registerSymbols(sql, [{ symbol: plan.symbol, source: plan.venue.name, synthetic: false }]),
  );
  const note = new Note(around.config.dataDir, plan);
  const done = await note.read();
  const rest: Plan = { ...plan, from: done?.done ?? plan.from };
  const written = new Written(done?.first ?? Number.POSITIVE_INFINITY);
  let gaps = { filled: 0, announced: 0 };
  try {
    await around.progress.during(`Backfilling ${plan.symbol} from ${plan.venue.name}`, (line) =>
      write(around, writer, rest, tradesOf(rest, files, around), written, note, (time) =>
        line.update((time - plan.from) / (plan.to - plan.from)),
      ),
    );
  } finally {
    // Also what was written before it failed.
    await writer.settled();
    if (written.from < written.to)
      gaps = await around.progress.during('Looking for gaps', () =>
        settleGaps(writer, plan.symbol, written.from, written.to, 'the history of this time was not fetched'),
      );
  }
  await note.remove();
  if (written.minutes === 0)
    throw new UserError(
      `${plan.venue.name} has no trades of ${native} from ${new Date(rest.from).toISOString()} on: nothing was written`,
    );
  const { trades, minutes } = written;
  const { filled, announced } = gaps;
  return {
    symbol: plan.symbol,
    from: plan.from,
    to: plan.to,
    resumedAt: done?.done ?? null,
    trades,
    minutes,
    gapsFilled: filled,
    gapsAnnounced: announced,
  };
}

function readPlan(name: string, native: string, options: BackfillOptions, now: number): Plan {
  if (!isVenueName(name))
    throw new UserError(
      `there is no history of "${name}": a venue is one of ${Object.keys(VENUE_EXAMPLES).join(', ')}`,
    );
  const venue = venueOf(name);
  const own = venue.toSymbol(native);
  if (own === null)
    throw new UserError(`symbol "${native}" must be as ${name} writes it, such as ${VENUE_EXAMPLES[name]}`);
  const symbol = options.as ?? own;
  if (!isSymbol(symbol)) throw new UserError(`--as must be ${SYMBOL_RULE}`);
  const latest = minuteOf(now - SETTLED_MS);
  const from = readTime('--from', options.from);
  const to = options.to === undefined ? latest : readTime('--to', options.to);
  if (from % MINUTE_MS !== 0 || to % MINUTE_MS !== 0) throw new UserError('--from and --to must be whole minutes');
  if (to > latest) throw new UserError(`--to must be in the past, at most ${new Date(latest).toISOString()}`);
  if (from >= to) throw new UserError('--from must be before --to');
  return { symbol, native, from, to, venue, base: baseOf(name, options), archive: options.archive ?? null };
}

function baseOf(name: VenueName, { rest, archive }: BackfillOptions): string {
  if (archive !== undefined && name !== 'binance')
    throw new UserError('--archive reads the published files of binance');
  return (rest ?? venueOf(name).urls.rest).replace(/\/+$/, '');
}

/** The files to read; null = from REST. Before anything is opened: there may be none. @throws UserError */
async function filesOf({ archive, native, from, to }: Plan): Promise<readonly ArchiveFile[] | null> {
  if (archive === null) return null;
  const files = await archiveFiles(archive, native, from, to);
  const [begin, end] = [files[0]?.from ?? 0, files.at(-1)?.to ?? 0];
  if (begin <= from && end >= to) return files;
  throw new UserError(
    `${archive} reaches from ${new Date(begin).toISOString()} to ${new Date(end).toISOString()}: ask for a time inside of that`,
  );
}

function tradesOf(plan: Plan, files: readonly ArchiveFile[] | null, { clock, log }: Around): AsyncGenerator<Trade[]> {
  if (files === null) return restTrades(plan.venue, plan.base, plan, clock, log);
  return archiveTrades(files, plan, clock);
}

/** The minutes of a backfill, those of the run that it goes on with among them. */
class Written {
  trades = 0;
  minutes = 0;
  /** Exclusive, epoch ms. */
  to = Number.NEGATIVE_INFINITY;

  /** @param from open time of the first */
  constructor(public from: number) {}

  add(records: readonly DurableRecord[]): void {
    this.minutes += records.length;
    for (const record of records) {
      if (record.kind !== 'candle') continue;
      this.from = Math.min(this.from, record.candle.openTime);
      this.to = Math.max(this.to, record.candle.openTime + MINUTE_MS);
    }
  }
}

/** Trades through an engine of their own, whose candles of [from, to) go to the spool and from there into the table. */
async function write(
  around: Around,
  { store, epoch }: SoleWriter,
  plan: Plan,
  trades: AsyncGenerator<Trade[]>,
  written: Written,
  note: Note,
  progress: (timeMs: number) => void,
): Promise<void> {
  const { clock, log } = around;
  const pipeline = new CandlePipeline({
    epoch,
    graceMs: GRACE_MS,
    coalesceMs: 60_000,
    clock,
    log,
    append: async (records) => {
      const wanted = records.filter((record) => isWanted(record, plan));
      if (wanted.length > 0) await store.spool.append(wanted);
      written.add(wanted);
    },
    publish: () => {},
    wants: () => false,
  });
  await pipeline.start();
  try {
    let sinceNote = 0;
    for await (const batch of trades) {
      for (const trade of batch) {
        pipeline.trade(trade);
        pipeline.advance(plan.symbol, Math.min(trade.time, plan.to + GRACE_MS));
        if (trade.time >= plan.from && trade.time < plan.to) written.trades++;
      }
      await pipeline.ready();
      const last = batch.at(-1)?.time ?? plan.from;
      progress(Math.min(last, plan.to));
      sinceNote += batch.length;
      if (sinceNote < NOTE_EVERY_TRADES) continue;
      sinceNote = 0;
      await pipeline.window(plan.symbol, '1m');
      if (written.minutes > 0) await note.write(written.from, Math.min(minuteOf(last - GRACE_MS), plan.to));
    }
    pipeline.advance(plan.symbol, plan.to + GRACE_MS);
  } finally {
    await pipeline.stop();
  }
}

function isWanted(record: DurableRecord, { from, to }: Plan): boolean {
  return record.kind === 'candle' && record.candle.openTime >= from && record.candle.openTime < to;
}

function minuteOf(timeMs: number): number {
  return Math.floor(timeMs / MINUTE_MS) * MINUTE_MS;
}

const NOTE = z.strictObject({
  native: z.string(),
  from: z.int(),
  /** Open time of the first minute that is written, and up to where all are in the spool. */
  first: z.int(),
  done: z.int(),
});

/**
 * How far a backfill has come: a file that is there until it is done. Where it is to end is not in it: what is done stays done when that
 * is another time, as it is for each run that goes up to now.
 */
class Note {
  readonly #file: NoteFile<z.infer<typeof NOTE>>;
  readonly #plan: Plan;

  constructor(dataDir: string, plan: Plan) {
    this.#file = new NoteFile(join(dataDir, 'backfill', `${plan.venue.name}-${plan.symbol}.json`), NOTE);
    this.#plan = plan;
  }

  /** Where to go on; null where nothing of this stretch is done. */
  async read(): Promise<{ readonly first: number; readonly done: number } | null> {
    const { native, from, to } = this.#plan;
    const note = await this.#file.read();
    if (note === null || note.native !== native || note.from !== from) return null;
    return note.done > from && note.done < to ? note : null;
  }

  write(first: number, done: number): Promise<void> {
    const { native, from } = this.#plan;
    return this.#file.write({ native, from, first, done });
  }

  remove(): Promise<void> {
    return this.#file.remove();
  }
}

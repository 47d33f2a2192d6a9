import { UserError } from '../../kit/errors.js';
import type { Candle } from '../../market/candle.js';
import { MINUTE_MS } from '../../market/interval.js';
import { minutesOfOthers } from '../../store/timescale/holes.js';
import { listSymbols, registerSymbols } from '../../store/timescale/symbols.js';
import type { Around } from '../around.js';
import { openSoleWriter, type SoleWriter } from '../sole-writer.js';
import type { CsvFile } from './csv-file.js';
import { settleGaps } from './holes.js';
import { ImportNote } from './note.js';

/** As given on the command line. */
export interface ImportOptions {
  readonly symbol?: string;
  readonly skipBad?: boolean;
  readonly replace?: boolean;
}

export interface Imported {
  readonly symbol: string;
  /** Epoch ms, `to` exclusive. */
  readonly from: number;
  readonly to: number;
  /** Minutes written, and those left as they were because they were stored before. */
  readonly written: number;
  readonly kept: number;
  /** Lines that were left out. */
  readonly wrongLines: number;
  readonly gapsFilled: number;
  readonly gapsAnnounced: number;
}

/** A minute is over for everybody so long after its end. */
const SETTLED_MS = 10_000;
/** More records than this do not wait for the database. */
const BEHIND_MAX = 50_000;
const NOTE_EVERY = 20_000;

/** Open time of the newest minute that may be imported. */
export function newestMinute(nowMs: number): number {
  return Math.floor((nowMs - SETTLED_MS) / MINUTE_MS) * MINUTE_MS - MINUTE_MS;
}

/** Takes closed minutes of one symbol in order of time into the table, by way of the spool. */
export class MinuteImport {
  readonly #around: Around;
  readonly #writer: SoleWriter;
  readonly #note: ImportNote;
  readonly #replace: boolean;
  readonly symbol: string;
  /** Where an earlier run of this import got to, epoch ms; null: this is the first. */
  readonly resumeAt: number | null;
  #from = Number.POSITIVE_INFINITY;
  #to = Number.NEGATIVE_INFINITY;
  #sinceNote = 0;
  #written = 0;
  #kept = 0;

  private constructor(
    around: Around,
    writer: SoleWriter,
    note: ImportNote,
    resumeAt: number | null,
    { symbol, replace = false }: ImportOptions & { readonly symbol: string },
  ) {
    this.#around = around;
    this.#writer = writer;
    this.#note = note;
    this.#replace = replace;
    this.symbol = symbol;
    this.resumeAt = resumeAt;
  }

  /** @param name of the import, as its note has it @throws UserError */
  static async open(
    around: Around,
    name: string,
    file: Pick<CsvFile<unknown>, 'identity'>,
    options: ImportOptions & { readonly symbol: string },
  ): Promise<MinuteImport> {
    const writer = await openSoleWriter(around, 'import');
    const note = new ImportNote(around.config.dataDir, name, file.identity);
    const resumeAt = await note.read();
    note.epochs.push(writer.epoch);
    const known = await writer.store.readers.run(listSymbols);
    if (!known.some(({ symbol }) => symbol === options.symbol))
      await writer.store.readers.run((sql) =>
        registerSymbols(sql, [{ symbol: options.symbol, source: 'import', synthetic: false }]),
      );
    if (resumeAt !== null)
      around.log.info(
        { from: new Date(resumeAt).toISOString() },
        'an earlier run was cut short: going on where it was',
      );
    return new MinuteImport(around, writer, note, resumeAt, options);
  }

  get epoch(): number {
    return this.#writer.epoch;
  }

  /** Ascending but for corrections; resolves when they are on disk. */
  async add(candles: readonly Candle[]): Promise<void> {
    if (candles.length === 0) return;
    const times = candles.map(({ openTime }) => openTime);
    const [first, last] = [times.reduce((a, b) => Math.min(a, b)), times.reduce((a, b) => Math.max(a, b))];
    const { store, epoch } = this.#writer;
    const stored = this.#replace
      ? new Set<number>()
      : await store.readers.run((sql) => minutesOfOthers(sql, this.symbol, first, last, this.#note.epochs));
    const wanted = candles.filter(({ openTime }) => !stored.has(openTime));
    await store.spool.append(wanted.map((candle) => ({ kind: 'candle', epoch, candle })));
    this.#written += wanted.length;
    this.#kept += candles.length - wanted.length;
    this.#from = Math.min(this.#from, first);
    this.#to = Math.max(this.#to, last + MINUTE_MS);
    if (store.spool.stats().recordsBehind > BEHIND_MAX) await store.writer.drained();
  }

  /** Every minute before `done` is with us, so that a run which is cut short goes on from there. */
  async noteDone(done: number, minutes: number): Promise<void> {
    this.#sinceNote += minutes;
    if (this.#sinceNote < NOTE_EVERY) return;
    this.#sinceNote = 0;
    await this.#note.write(done);
  }

  /** Runs the import; what it brought before it failed is settled as well. @throws UserError */
  async finish(file: Pick<CsvFile<unknown>, 'wrong'>, work: () => Promise<void>): Promise<Imported> {
    let failure: unknown = null;
    await work().catch((error: unknown) => {
      failure = error;
    });
    await this.#writer.settled();
    // What an earlier run wrote belongs to this file as well.
    const from = this.resumeAt === null ? this.#from : Math.min(this.#from, this.resumeAt);
    const gaps =
      this.#to > from
        ? await this.#around.progress.during('Looking for gaps', () =>
            settleGaps(this.#writer, this.symbol, from, this.#to, 'the imported file has nothing of this time'),
          )
        : { announced: 0, filled: 0 };
    if (failure !== null) throw failure;
    await this.#note.remove();
    if (this.#to <= from) throw new UserError('the file has nothing to import');
    return {
      symbol: this.symbol,
      from: this.#from,
      to: this.#to,
      written: this.#written,
      kept: this.#kept,
      wrongLines: file.wrong,
      gapsFilled: gaps.filled,
      gapsAnnounced: gaps.announced,
    };
  }
}

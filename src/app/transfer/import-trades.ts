import { join } from 'node:path';
import { CandlePipeline, type DurableRecord } from '../../candles/pipeline.js';
import { checkHeader, readLine } from '../../feed/replay/csv.js';
import { UserError } from '../../kit/errors.js';
import type { Candle } from '../../market/candle.js';
import { HOUR_MS, MINUTE_MS } from '../../market/interval.js';
import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import type { Trade } from '../../market/trade.js';
import type { Around } from '../around.js';
import { type CsvFile, openCsv, type Row } from './csv-file.js';
import { type Imported, type ImportOptions, MinuteImport, newestMinute } from './import.js';

const GRACE_MS = 2000;
/** A correction reaches back so far at most. */
const LATE_MS = HOUR_MS + MINUTE_MS;

export interface ImportedTrades extends Imported {
  /** Folded, without those that came twice. */
  readonly trades: number;
  readonly duplicates: number;
}

/** The candles of a CSV file of trades, which has everything that was traded in its minutes. @throws UserError */
export async function importTrades(around: Around, path: string, options: ImportOptions): Promise<ImportedTrades> {
  const { config, clock } = around;
  const { symbol = '' } = options;
  if (!isSymbol(symbol)) throw new UserError(`--symbol must be ${SYMBOL_RULE}`);
  const end = newestMinute(clock.now()) + MINUTE_MS;
  const file = await openCsv<Trade>({
    path,
    content: 'trades',
    header: (line) => checkHeader(line) ?? ((text) => readTradeLine(symbol, text, end)),
    quarantineDirectory: options.skipBad === true ? join(config.dataDir, 'quarantine') : null,
  });
  const into = await MinuteImport.open(around, `trades-${symbol}`, file, { ...options, symbol });
  const fold = new TradeFold(around, into, file);
  const done = await into.finish(file, () =>
    around.progress.during(`Importing the trades of ${symbol}`, (line) => fold.run(() => line.update(file.progress()))),
  );
  return { ...done, trades: fold.trades, duplicates: fold.duplicates };
}

function readTradeLine(symbol: string, text: string, endMs: number): Trade | string {
  const trade = readLine(symbol, text, endMs - 1);
  return 'reason' in trade ? trade.message : trade;
}

/** Trades through an engine of their own. */
class TradeFold {
  readonly #into: MinuteImport;
  readonly #file: CsvFile<Trade>;
  readonly #pipeline: CandlePipeline;
  trades = 0;
  duplicates = 0;
  /** The clock: the latest event time. */
  #latest = 0;
  /** Minutes before it an earlier run has written. */
  readonly #from: number;
  /** The last trade before `#from`: minutes without trades are flat at its price. */
  #before: Trade | null = null;

  constructor({ clock, log }: Around, into: MinuteImport, file: CsvFile<Trade>) {
    this.#into = into;
    this.#file = file;
    this.#from = into.resumeAt ?? 0;
    this.#pipeline = new CandlePipeline({
      epoch: into.epoch,
      graceMs: GRACE_MS,
      coalesceMs: 60_000,
      clock,
      log,
      append: (records) => into.add(records.flatMap((record) => this.#wanted(record))),
      publish: () => {},
      wants: () => false,
    });
  }

  /** What comes before a failure is folded. */
  async run(progress: () => void): Promise<void> {
    await this.#pipeline.start();
    try {
      for await (const rows of this.#file.rows()) {
        for (const row of rows) await this.#take(row);
        await this.#pipeline.ready();
        progress();
        if (rows.length > 0) await this.#note(rows.length);
      }
    } finally {
      if (this.#latest > 0) this.#close();
      await this.#pipeline.stop();
    }
  }

  async #take(row: Row<Trade>): Promise<void> {
    const trade = row.value;
    if (trade.time < this.#from) {
      this.#before = trade;
      return;
    }
    if (this.#before !== null) this.#pipeline.trade(this.#before);
    this.#before = null;
    const outcome = this.#pipeline.trade(trade);
    if (outcome === 'too_late' || outcome === 'overflow') {
      await this.#file.refuse(row, WHY[outcome]);
      return;
    }
    if (outcome === 'duplicate') this.duplicates++;
    else this.trades++;
    this.#latest = Math.max(this.#latest, trade.time);
    this.#pipeline.advance(trade.symbol, this.#latest);
  }

  /** The last minute is over. */
  #close(): void {
    const end = Math.floor(this.#latest / MINUTE_MS) * MINUTE_MS + MINUTE_MS;
    this.#pipeline.advance(this.#into.symbol, end + GRACE_MS);
  }

  /** From there on trades may still change what is written. */
  async #note(trades: number): Promise<void> {
    await this.#into.noteDone(Math.floor((this.#latest - LATE_MS) / MINUTE_MS) * MINUTE_MS, trades);
  }

  #wanted(record: DurableRecord): Candle[] {
    return record.kind === 'candle' && record.candle.openTime >= this.#from ? [record.candle] : [];
  }
}

const WHY = {
  too_late: 'its time is more than 60 minutes before that of an earlier line: sort the file by time',
  overflow: 'with it the volume of its minute has more digits than a candle can hold',
};

import { join } from 'node:path';
import { UserError } from '../../kit/errors.js';
import type { Candle } from '../../market/candle.js';
import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import type { Around } from '../around.js';
import { readCandle, readCandleHeader } from './candle-csv.js';
import { type CsvFile, openCsv, type Row } from './csv-file.js';
import { type Imported, type ImportOptions, MinuteImport, newestMinute } from './import.js';

const BATCH = 2000;

/** One-minute candles of a CSV file, as they stand there. @throws UserError */
export async function importCandles(around: Around, path: string, options: ImportOptions): Promise<Imported> {
  const { config, clock } = around;
  if (options.symbol !== undefined && !isSymbol(options.symbol)) throw new UserError(`--symbol must be ${SYMBOL_RULE}`);
  const latest = newestMinute(clock.now());
  const file = await openCsv<Candle>({
    path,
    content: 'candles',
    header: (line) => readerOf(line, latest),
    quarantineDirectory: options.skipBad === true ? join(config.dataDir, 'quarantine') : null,
  });
  const rows = inOrder(file, options.symbol);
  try {
    return await importRows(around, file, rows, path, options);
  } finally {
    await rows.return(undefined);
  }
}

async function importRows(
  around: Around,
  file: CsvFile<Candle>,
  rows: AsyncGenerator<Candle>,
  path: string,
  options: ImportOptions,
): Promise<Imported> {
  const first = await rows.next();
  if (first.done === true) throw new UserError(`${path} has no candle to import`);
  const { symbol } = first.value;
  const into = await MinuteImport.open(around, `candles-${symbol}`, file, { ...options, symbol });
  return await into.finish(file, () =>
    around.progress.during(`Importing ${symbol}`, (line) =>
      batches(first.value, rows, async (batch) => {
        line.update(file.progress());
        const fresh = batch.filter(({ openTime }) => openTime >= (into.resumeAt ?? 0));
        await into.add(fresh);
        await into.noteDone(batch.at(-1)?.openTime ?? 0, fresh.length);
      }),
    ),
  );
}

function readerOf(header: string | undefined, latestMs: number): ((line: string) => Candle | string) | string {
  if (header === undefined) return 'the file is empty';
  const columns = readCandleHeader(header);
  if (typeof columns === 'string') return columns;
  return (line) => readCandle(columns, line, latestMs);
}

/** The candles of a file under their symbol, each later than the one before. @throws UserError */
async function* inOrder(file: CsvFile<Candle>, as: string | undefined): AsyncGenerator<Candle> {
  let before: Candle | null = null;
  for await (const rows of file.rows()) {
    for (const row of rows) {
      const why = misplaced(row, before, as);
      if (why !== null) {
        await file.refuse(row, why);
        continue;
      }
      before = row.value;
      yield as === undefined ? row.value : { ...row.value, symbol: as };
    }
  }
}

function misplaced({ value }: Row<Candle>, before: Candle | null, as: string | undefined): string | null {
  if (value.symbol === '' && as === undefined)
    throw new UserError('the file has no column "symbol": say with --symbol whose candles they are');
  if (before === null) return null;
  if (value.symbol !== before.symbol)
    return `symbol "${value.symbol}" must be "${before.symbol}", as before: one file has one symbol`;
  return value.openTime > before.openTime
    ? null
    : `open_time_ms ${value.openTime} must be later than that of the line before, ${before.openTime}`;
}

/** What comes before a failure is passed on first. */
async function batches(
  first: Candle,
  rest: AsyncGenerator<Candle>,
  take: (batch: readonly Candle[]) => Promise<void>,
): Promise<void> {
  let batch = [first];
  try {
    for await (const candle of rest) {
      if (batch.push(candle) < BATCH) continue;
      const full = batch;
      batch = [];
      await take(full);
    }
  } finally {
    if (batch.length > 0) await take(batch);
  }
}

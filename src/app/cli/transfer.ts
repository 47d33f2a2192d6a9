import { UserError } from '../../kit/errors.js';
import { INTERVALS } from '../../market/interval.js';
import { isSymbol, SYMBOL_RULE } from '../../market/symbol.js';
import { exportCandles as exportRows } from '../transfer/export-candles.js';
import type { Imported, ImportOptions } from '../transfer/import.js';
import { importCandles as importRows } from '../transfer/import-candles.js';
import { importTrades as importFolded } from '../transfer/import-trades.js';
import { type AnswerOptions, answer, utcText } from './answer.js';
import { readOneOf, readTime } from './read.js';
import type { Ground } from './run.js';

/** `candlecast export candles` */
export async function exportCandles(
  ground: Ground,
  symbol: string,
  options: AnswerOptions & {
    readonly interval: string;
    readonly from?: string;
    readonly to?: string;
    readonly output?: string;
  },
): Promise<undefined> {
  if (!isSymbol(symbol)) throw new UserError(`the symbol "${symbol}" must be ${SYMBOL_RULE}`);
  const interval = readOneOf('--interval', options.interval, INTERVALS);
  const from = options.from === undefined ? null : readTime('--from', options.from);
  const to = options.to === undefined ? null : readTime('--to', options.to);
  if (from !== null && to !== null && from >= to) throw new UserError('--from must be before --to');
  const { output: file = null } = options;
  if (file === null && options.json === true)
    throw new UserError('--json needs --output: without it the candles themselves are on standard output');
  const done = await exportRows(ground, { symbol, interval, from, to, file });
  const span = done.from === null || done.to === null ? '' : ` from ${utcText(done.from)} to ${utcText(done.to)} UTC`;
  const gaps = done.gaps === 0 ? '' : `; ${done.gaps} gaps in this time`;
  const text = `${done.candles} candles of ${symbol} ${interval}${span}${gaps}`;
  if (file === null) process.stderr.write(`${text}\n`);
  else answer(options, { ...done, file }, () => `${file}: ${text}`);
}

/** `candlecast import candles` */
export async function importCandles(
  ground: Ground,
  file: string,
  options: AnswerOptions & ImportOptions,
): Promise<undefined> {
  answer(options, await importRows(ground, file, options), inWords);
}

/** `candlecast import trades` */
export async function importTrades(
  ground: Ground,
  file: string,
  options: AnswerOptions & ImportOptions,
): Promise<undefined> {
  answer(
    options,
    await importFolded(ground, file, options),
    (done) => `${done.trades} trades${done.duplicates > 0 ? ` (${done.duplicates} came again)` : ''}; ${inWords(done)}`,
  );
}

function inWords({ symbol, from, to, written, kept, wrongLines, gapsFilled, gapsAnnounced }: Imported): string {
  const parts = [
    `${symbol}: ${written} minutes from ${utcText(from)} to ${utcText(to)} UTC`,
    ...(kept > 0 ? [`${kept} were stored before and left as they are (--replace)`] : []),
    ...(wrongLines > 0 ? [`${wrongLines} wrong lines are in DATA_DIR/quarantine`] : []),
    ...(gapsFilled > 0 ? [`${gapsFilled} gaps filled`] : []),
    ...(gapsAnnounced > 0 ? [`${gapsAnnounced} gaps announced`] : []),
  ];
  return parts.join(', ');
}

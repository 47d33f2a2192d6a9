import { UserError } from '../../kit/errors.js';
import type { Trade } from '../../market/trade.js';
import type { Quarantine } from '../quarantine.js';
import { FUTURE_TOLERANCE_MS, isFault } from '../validate.js';
import { checkHeader, readLine } from './csv.js';
import { LineSplitter } from './lines.js';
import { openTradeFile, type TradeFile } from './source.js';

/** Opens a file of trades that begins as one. @throws UserError when it is missing, no file, unreadable or no trade file. */
export async function requireTradeFile(path: string): Promise<void> {
  await requireHeader(path, await openTradeFile(path));
}

/** @throws UserError when the file does not begin with the header of a trade file. */
async function requireHeader(path: string, file: TradeFile): Promise<void> {
  const splitter = new LineSplitter();
  let line: string | undefined;
  try {
    for await (const chunk of file.chunks()) {
      line = splitter.push(chunk)[0];
      if (line !== undefined) break;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UserError(`cannot replay ${path}: ${why}`, { cause });
  }
  const wrong = checkHeader(line ?? splitter.end()[0]);
  if (wrong !== null) throw new UserError(`cannot replay ${path}: ${wrong}`);
}

/** Reads a trade file whose header was checked, in batches; what is no trade goes to the quarantine with its line number. */
export async function* readTrades(
  symbol: string,
  file: TradeFile,
  quarantine: Quarantine,
  now: () => number,
): AsyncGenerator<Trade[]> {
  const splitter = new LineSplitter();
  let lineNumber = 0;
  const take = (lines: readonly string[]): Trade[] => {
    const trades: Trade[] = [];
    const nowMs = now();
    for (const line of lines) {
      if (++lineNumber === 1 || line === '') continue;
      const trade = readLine(symbol, line, nowMs + FUTURE_TOLERANCE_MS);
      if (isFault(trade)) quarantine.add(trade.reason, trade.message, { line: lineNumber }, nowMs);
      else trades.push(trade);
    }
    return trades;
  };
  for await (const chunk of file.chunks()) yield take(splitter.push(chunk));
  yield take(splitter.end());
}

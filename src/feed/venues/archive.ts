import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../kit/errors.js';
import { DAY_MS } from '../../market/interval.js';
import { LineSplitter } from '../replay/lines.js';
import { openTradeFile } from '../replay/source.js';
import type { RawTrade } from './venue.js';
import { unzipFirst } from './zip.js';

/** Since 2025 the times of the archives are microseconds. */
const MICROSECONDS_FROM = 1e14;
const COLUMNS = 7;

/** A published file of trades: `BTCUSDT-trades-2024-01-05.zip` of a day, `BTCUSDT-trades-2024-01.zip` of a month. */
export interface ArchiveFile {
  readonly path: string;
  /** The time it covers, epoch ms, `to` exclusive. */
  readonly from: number;
  readonly to: number;
}

/**
 * The files of a symbol that touch [fromMs, toMs), and the one right before, if it is there, in order. Binance's public archive (data.binance.vision): ZIP, or
 * unpacked as .csv or .csv.gz. @throws UserError when there is none.
 */
export async function archiveFiles(
  directory: string,
  native: string,
  fromMs: number,
  toMs: number,
): Promise<ArchiveFile[]> {
  const names = await readdir(directory).catch((cause: unknown) => {
    throw new UserError(`--archive ${directory} cannot be read: ${(cause as Error).message}`, { cause });
  });
  const all = names
    .flatMap((name) => fileOf(directory, native, name) ?? [])
    .sort((a, b) => a.from - b.from || b.to - a.to);
  const wanted = all.filter((file) => file.to > fromMs && file.from < toMs);
  if (wanted.length === 0)
    throw new UserError(
      `${directory} has no file such as ${native}-trades-2024-01-05.zip for the time that is asked for`,
    );
  const begin = wanted[0]?.from ?? fromMs;
  const before = all.findLast((file) => file.to <= fromMs && file.to >= begin);
  return before === undefined ? wanted : [before, ...wanted];
}

function fileOf(directory: string, native: string, name: string): ArchiveFile | null {
  const match = /^([A-Z0-9]+)-trades-(\d{4})-(\d\d)(?:-(\d\d))?\.(?:zip|csv|csv\.gz)$/.exec(name);
  if (match === null || match[1] !== native) return null;
  const [year, month, day] = [Number(match[2]), Number(match[3]) - 1, match[4]];
  const from = Date.UTC(year, month, day === undefined ? 1 : Number(day));
  return { path: join(directory, name), from, to: day === undefined ? Date.UTC(year, month + 1) : from + DAY_MS };
}

/** The trades of a file in batches: `id,price,qty,quoteQty,time,isBuyerMaker,isBestMatch`, with or without a header. @throws on any other line. */
export async function* readArchive(file: ArchiveFile): AsyncGenerator<RawTrade[]> {
  const splitter = new LineSplitter();
  let number = 0;
  const take = (lines: readonly string[]): RawTrade[] => {
    const trades: RawTrade[] = [];
    for (const line of lines) {
      number++;
      if (line === '' || (number === 1 && /^id,/i.test(line))) continue;
      const trade = readRow(line);
      if (trade === null) throw new UserError(`${file.path}, line ${number}: it is no trade of seven columns`);
      trades.push(trade);
    }
    return trades;
  };
  for await (const chunk of chunksOf(file.path)) yield take(splitter.push(chunk));
  yield take(splitter.end());
}

async function* chunksOf(path: string): AsyncGenerator<string> {
  if (path.endsWith('.zip')) for await (const chunk of unzipFirst(path)) yield chunk.toString('latin1');
  else yield* (await openTradeFile(path)).chunks();
}

function readRow(line: string): RawTrade | null {
  const parts = line.split(',');
  const [id = '', price = '', quantity = '', , time = '', buyerIsMaker = ''] = parts;
  if (parts.length !== COLUMNS || !/^\d+$/.test(time)) return null;
  const side = { true: 'sell', false: 'buy' }[buyerIsMaker.toLowerCase()];
  if (side === undefined) return null;
  const ms = Number(time) >= MICROSECONDS_FROM ? time.slice(0, -3) : time;
  return { id, time: ms, price, quantity, side };
}

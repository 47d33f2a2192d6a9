import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { createGzip } from 'node:zlib';
import { UserError } from '../../kit/errors.js';
import { bucketEnd, INTERVAL_MS, type Interval } from '../../market/interval.js';
import { Database } from '../../store/timescale/database.js';
import { CandleHistory } from '../../store/timescale/history.js';
import { listSymbols, type StoredSymbol } from '../../store/timescale/symbols.js';
import type { Around } from '../around.js';
import { explainDatabaseError } from '../database-error.js';
import { reachDatabase } from '../reach-database.js';
import { CANDLE_HEADER, candleLine } from './candle-csv.js';

export interface ExportPlan {
  readonly symbol: string;
  readonly interval: Interval;
  /** Epoch ms; null = from the first, up to the last. `to` is exclusive. */
  readonly from: number | null;
  readonly to: number | null;
  /** null = standard output. */
  readonly file: string | null;
}

export interface Exported {
  readonly symbol: string;
  readonly interval: Interval;
  readonly candles: number;
  /** Of the first candle, and the end of the last; null where there is none. */
  readonly from: number | null;
  readonly to: number | null;
  /** Announced gaps in this time: candles there are missing or lack trades. */
  readonly gaps: number;
}

const PAGE = 2000;
const KNOWN_SHOWN = 20;
const MONTH_MS = 31 * 86_400_000;

/** Closed candles in order of time, a page at a time; beside a running server as well. @throws UserError */
export async function exportCandles(around: Around, plan: ExportPlan): Promise<Exported> {
  const url = await reachDatabase(around, around.config.timescaleUrl);
  const database = new Database({ url, clock: around.clock });
  try {
    const known = await database.run(listSymbols);
    const stored = known.find(({ symbol }) => symbol === plan.symbol);
    if (stored === undefined) throw new UserError(`there are no candles of ${plan.symbol}; ${listed(known)}`);
    const out = await openOutput(plan.file);
    const done = await around.progress
      .during(`Exporting ${plan.symbol} ${plan.interval}`, (line) =>
        write(new CandleHistory(database), plan, stored, out, (share) => line.update(share)),
      )
      .catch(async (error: unknown) => {
        await out.discard();
        throw error;
      });
    await out.keep();
    return done;
  } catch (error) {
    throw explainDatabaseError(
      error instanceof Error && error.name === 'HistoryUnavailable' ? error.cause : error,
      url,
    );
  } finally {
    await database.close();
  }
}

function listed(known: readonly StoredSymbol[]): string {
  if (known.length === 0) return 'there are none of any symbol';
  const names = known.slice(0, KNOWN_SHOWN).map(({ symbol }) => symbol);
  return `there are ${names.join(', ')}${known.length > KNOWN_SHOWN ? ', … ("candlecast db status" lists them)' : ''}`;
}

async function write(
  history: CandleHistory,
  { symbol, interval, from, to }: ExportPlan,
  { firstTime, lastTime }: StoredSymbol,
  out: Output,
  progress: (share: number) => void,
): Promise<Exported> {
  const end = to ?? (lastTime ?? 0) + 1;
  const begin = from ?? (firstTime ?? 0) - (INTERVAL_MS[interval] ?? MONTH_MS);
  await out.write(`${CANDLE_HEADER}\n`);
  const done = { candles: 0, first: null as number | null, end: null as number | null };
  for (let at = begin; ; ) {
    const page = await history.range(symbol, interval, at, end, PAGE);
    const closed = page.filter((candle) => candle.closed);
    await out.write(closed.map(candleLine).join(''));
    done.candles += closed.length;
    done.first ??= closed[0]?.openTime ?? null;
    const last = page.at(-1)?.openTime;
    const lastClosed = closed.at(-1)?.openTime;
    if (lastClosed !== undefined) done.end = bucketEnd(interval, lastClosed);
    if (last === undefined || page.length < PAGE) break;
    at = last + 1;
    progress((at - begin) / (end - begin));
  }
  const gaps = done.first === null ? [] : await history.gaps(symbol, from ?? done.first, to ?? done.end ?? 0);
  return { symbol, interval, candles: done.candles, from: done.first, to: done.end, gaps: gaps.length };
}

interface Output {
  /** Resolves when there is room for more. */
  write(text: string): Promise<void>;
  /** Everything is written: it may be seen under its name. */
  keep(): Promise<void>;
  discard(): Promise<void>;
}

/** A file is there when it is whole; `.gz` packs it. @throws UserError */
async function openOutput(file: string | null): Promise<Output> {
  if (file === null)
    return { write: (text) => put(process.stdout, text), keep: async () => {}, discard: async () => {} };
  const draft = `${file}.part`;
  const target = createWriteStream(draft);
  const failed = once(target, 'error').then(([error]) => {
    throw new UserError(`cannot write ${file}: ${(error as Error).message}`, { cause: error });
  });
  failed.catch(() => {});
  await Promise.race([once(target, 'open'), failed]);
  const packed = file.endsWith('.gz') ? createGzip() : null;
  packed?.pipe(target);
  const sink: Writable = packed ?? target;
  return {
    write: (text) => Promise.race([put(sink, text), failed]),
    keep: async () => {
      const closed = once(target, 'close');
      sink.end();
      await Promise.race([closed, failed]);
      await rename(draft, file);
    },
    discard: async () => {
      packed?.destroy();
      target.destroy();
      await rm(draft, { force: true });
    },
  };
}

async function put(sink: Writable, text: string): Promise<void> {
  if (!sink.write(text)) await once(sink, 'drain');
}

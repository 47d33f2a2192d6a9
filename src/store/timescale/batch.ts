import { setImmediate } from 'node:timers/promises';
import type { CandleRecord, GapRecord, SpoolRecord } from '../spool/record.js';
import { COPY_SIGNATURE, COPY_TRAILER, MAX_ROW_BYTES, UnencodableError, writeRow } from './copy-row.js';

/** Records ready for the table: every candle key once, with its highest (epoch, revision). */
export interface WriteBatch {
  readonly candles: readonly CandleRecord[];
  readonly gaps: readonly GapRecord[];
}

export function toBatch(records: readonly SpoolRecord[]): WriteBatch {
  const gaps: GapRecord[] = [];
  const candles: CandleRecord[] = [];
  const bySymbol = new Map<string, Map<number, number>>();
  for (const record of records) {
    if (record.kind === 'gap') {
      gaps.push(record);
      continue;
    }
    const { symbol, openTime } = record.candle;
    const places = bySymbol.get(symbol) ?? new Map<number, number>();
    if (places.size === 0) bySymbol.set(symbol, places);
    const place = places.get(openTime);
    const known = place === undefined ? undefined : candles[place];
    if (place === undefined || known === undefined) places.set(openTime, candles.push(record) - 1);
    else if (isNewer(record, known)) candles[place] = record;
  }
  return { candles, gaps };
}

function isNewer(record: CandleRecord, known: CandleRecord): boolean {
  if (record.epoch !== known.epoch) return record.epoch > known.epoch;
  return record.candle.revision >= known.candle.revision;
}

const ROWS_PER_CHUNK = 500;

/** The COPY stream of the candles, encoded in slices that leave the event loop room; null when one has no binary form. */
export async function encodeCopy(candles: readonly CandleRecord[]): Promise<Buffer[] | null> {
  const chunks: Buffer[] = [COPY_SIGNATURE];
  try {
    for (let i = 0; i < candles.length; i += ROWS_PER_CHUNK) {
      if (i > 0) await setImmediate();
      chunks.push(encodeChunk(candles.slice(i, i + ROWS_PER_CHUNK)));
    }
  } catch (error) {
    if (error instanceof UnencodableError) return null;
    throw error;
  }
  chunks.push(COPY_TRAILER);
  return chunks;
}

const scratch = Buffer.allocUnsafeSlow(ROWS_PER_CHUNK * MAX_ROW_BYTES);

function encodeChunk(candles: readonly CandleRecord[]): Buffer {
  let at = 0;
  for (const record of candles) at = writeRow(scratch, at, record);
  return Buffer.from(scratch.subarray(0, at));
}

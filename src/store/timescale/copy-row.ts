import type { CandleRecord } from '../spool/record.js';

/**
 * Rows of `ohlcv` in PostgreSQL's binary COPY format (https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format"),
 * columns as in COLUMNS. Decimals go digit by digit from the string to base 10000; no float touches them.
 */
export const COLUMNS = [
  'symbol',
  'timestamp',
  'open',
  'high',
  'low',
  'close',
  'volume',
  'quote_volume',
  'taker_buy_volume',
  'taker_buy_quote_volume',
  'trade_count',
  'first_trade_id',
  'last_trade_id',
  'first_trade_time',
  'last_trade_time',
  'revision',
  'seq',
  'epoch',
] as const;

export const COPY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

/** A value that has no binary form here, such as "NaN" or "1e5". */
export class UnencodableError extends Error {
  override readonly name: string = 'UnencodableError';
}

/** 2000-01-01, PostgreSQL's epoch, in epoch ms. */
const POSTGRES_EPOCH_MS = 946_684_800_000;
const TWO_32 = 2 ** 32;
const MAX_DECIMAL_CHARS = 64;
/** Symbol (up to 50 bytes), eight decimals, nine 8-byte fields, lengths: no row is longer. */
export const MAX_ROW_BYTES = 2 + 18 * 4 + 50 + 8 * (8 + MAX_DECIMAL_CHARS) + 9 * 8;
const ZERO = 48;

/**
 * Writes one row at `start`; returns the offset after it. The buffer has MAX_ROW_BYTES left. Bytes are stored one by one:
 * Buffer's own write methods check their arguments each time.
 * @throws UnencodableError
 */
export function writeRow(out: Uint8Array, start: number, { epoch, candle }: CandleRecord): number {
  let at = write16(out, start, COLUMNS.length);
  at = writeText(out, at, candle.symbol);
  at = writeTime(out, at, candle.openTime);
  at = writeDecimal(out, at, candle.open, 8);
  at = writeDecimal(out, at, candle.high, 8);
  at = writeDecimal(out, at, candle.low, 8);
  at = writeDecimal(out, at, candle.close, 8);
  at = writeDecimal(out, at, candle.volume, 8);
  at = writeDecimal(out, at, candle.quoteVolume, 16);
  at = writeDecimal(out, at, candle.takerBuyVolume, 8);
  at = writeDecimal(out, at, candle.takerBuyQuoteVolume, 16);
  at = writeBigint(out, at, candle.trades);
  at = writeBigint(out, at, candle.firstTradeId);
  at = writeBigint(out, at, candle.lastTradeId);
  at = writeTime(out, at, candle.firstTradeTime);
  at = writeTime(out, at, candle.lastTradeTime);
  at = write32(out, at, 4);
  at = write32(out, at, int32(candle.revision));
  at = writeBigint(out, at, candle.seq);
  return writeBigint(out, at, epoch);
}

function write16(out: Uint8Array, at: number, value: number): number {
  out[at] = value >> 8;
  out[at + 1] = value;
  return at + 2;
}

function write32(out: Uint8Array, at: number, value: number): number {
  out[at] = value >> 24;
  out[at + 1] = value >> 16;
  out[at + 2] = value >> 8;
  out[at + 3] = value;
  return at + 4;
}

function int32(value: number): number {
  if ((value | 0) !== value) throw new UnencodableError(`not an INTEGER: ${value}`);
  return value;
}

/** Symbols are ASCII (market/symbol); anything else has no form here. */
function writeText(out: Uint8Array, at: number, text: string): number {
  if (text.length > 50) throw new UnencodableError('a symbol has at most 50 characters');
  let end = write32(out, at, text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code > 127) throw new UnencodableError(`not a symbol: ${JSON.stringify(text)}`);
    out[end++] = code;
  }
  return end;
}

function writeTime(out: Uint8Array, at: number, timeMs: number | null): number {
  return writeBigint(out, at, timeMs === null ? null : (timeMs - POSTGRES_EPOCH_MS) * 1000);
}

function writeBigint(out: Uint8Array, at: number, value: number | null): number {
  if (value === null) return write32(out, at, -1);
  if (!Number.isSafeInteger(value)) throw new UnencodableError(`not a whole number: ${value}`);
  const high = Math.floor(value / TWO_32);
  write32(out, at, 8);
  write32(out, at + 4, high);
  return write32(out, at + 8, value - high * TWO_32);
}

/** A non-negative decimal with exactly `scale` (a multiple of 4) digits after the point, as numeric_recv reads it. */
function writeDecimal(out: Uint8Array, at: number, text: string, scale: number): number {
  const point = text.length - scale - 1;
  if (point < 1 || text.length > MAX_DECIMAL_CHARS || text.charCodeAt(point) !== 46) throw unencodable(text);
  let from = 0;
  while (from < point && text.charCodeAt(from) === ZERO) from++;
  const groups = (point - from + 3) >> 2;
  let digits = at + 12;
  for (let i = point - groups * 4; i < point; i += 4) digits = writeGroup(out, digits, text, i, from);
  for (let i = point + 1; i < text.length; i += 4) digits = writeGroup(out, digits, text, i, i);
  write32(out, at, digits - at - 4);
  write16(out, at + 4, (digits - at - 12) >> 1);
  write16(out, at + 6, groups - 1);
  write16(out, at + 8, 0);
  write16(out, at + 10, scale);
  return digits;
}

/** Four digits from `start`, those before `from` being zero. */
function writeGroup(out: Uint8Array, at: number, text: string, start: number, from: number): number {
  let value = 0;
  for (let i = Math.max(start, from); i < start + 4; i++) {
    const digit = text.charCodeAt(i) - ZERO;
    if (!(digit >= 0 && digit <= 9)) throw unencodable(text);
    value = value * 10 + digit;
  }
  return write16(out, at, value);
}

function unencodable(text: string): UnencodableError {
  return new UnencodableError(
    `not a decimal of the expected form: ${JSON.stringify(text.slice(0, MAX_DECIMAL_CHARS))}`,
  );
}

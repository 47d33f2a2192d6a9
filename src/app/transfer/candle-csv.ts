import { parseDecimal } from '../../kit/decimal.js';
import type { Candle } from '../../market/candle.js';
import { MINUTE_MS } from '../../market/interval.js';
import { nextSeq } from '../../market/position.js';
import { isSymbol } from '../../market/symbol.js';

/**
 * Candles as CSV: one line each, every decimal with all its digits. What belongs to one database only (revision, position,
 * writer) is left out, so that an export of an import is the same file.
 */
const REQUIRED = ['open_time_ms', 'open', 'high', 'low', 'close', 'volume'] as const;
const COLUMNS = [
  'symbol',
  'interval',
  ...REQUIRED,
  'quote_volume',
  'taker_buy_volume',
  'taker_buy_quote_volume',
  'trades',
  'first_trade_id',
  'last_trade_id',
  'first_trade_time_ms',
  'last_trade_time_ms',
] as const;
type Column = (typeof COLUMNS)[number];

export const CANDLE_HEADER = COLUMNS.join(',');
const EARLIEST_MS = Date.UTC(2009, 0, 3);
const NO_PRODUCT = '0.0000000000000000';
const PRODUCT = /^\d{1,24}(?:\.\d{1,16})?$/;

export function candleLine(c: Candle): string {
  const prices = `${c.openTime},${c.open},${c.high},${c.low},${c.close},${c.volume}`;
  const volumes = `${c.quoteVolume},${c.takerBuyVolume},${c.takerBuyQuoteVolume},${c.trades}`;
  const trades = `${c.firstTradeId ?? ''},${c.lastTradeId ?? ''},${c.firstTradeTime ?? ''},${c.lastTradeTime ?? ''}`;
  return `${c.symbol},${c.interval},${prices},${volumes},${trades}\n`;
}

/** Where the columns of a file are. */
export type CandleColumns = ReadonlyMap<Column, number>;

/** The columns of a header, in any order; a sentence about what is wrong otherwise. */
export function readCandleHeader(line: string): CandleColumns | string {
  const names = line.split(',').map((name) => name.trim().toLowerCase());
  const rule = `the header must name ${REQUIRED.join(', ')}, and may name ${COLUMNS.filter((name) => !isRequired(name)).join(', ')}`;
  const unknown = names.find((name) => !isColumn(name));
  if (unknown !== undefined) return `${JSON.stringify(unknown.slice(0, 40))} is no column of candles: ${rule}`;
  const missing = REQUIRED.find((name) => !names.includes(name));
  if (missing !== undefined) return `the column ${missing} is missing: ${rule}`;
  if (new Set(names).size !== names.length) return `a column is named twice: ${rule}`;
  return new Map(names.map((name, index) => [name as Column, index]));
}

/** The 1m candle of a line, its symbol '' where the file has none; a sentence about what is wrong otherwise. */
export function readCandle(columns: CandleColumns, line: string, latestMs: number): Candle | string {
  const cells = line.split(',');
  if (cells.length !== columns.size) return `it has ${cells.length} fields where the header has ${columns.size}`;
  const cell = (name: Column): string => cells[columns.get(name) ?? -1] ?? '';
  try {
    return toCandle(cell, latestMs);
  } catch (error) {
    if (error instanceof WrongCell) return error.message;
    throw error;
  }
}

class WrongCell extends Error {}

function toCandle(cell: (name: Column) => string, latestMs: number): Candle {
  const symbol = cell('symbol');
  if (symbol !== '' && !isSymbol(symbol)) wrong('symbol', symbol, 'a symbol, such as BTCUSDT');
  const interval = cell('interval');
  if (interval !== '' && interval !== '1m') wrong('interval', interval, '1m: longer intervals are rolled from minutes');
  const openTime = count('open_time_ms', cell) ?? Number.NaN;
  const latest = new Date(latestMs).toISOString();
  if (!(openTime % MINUTE_MS === 0 && openTime >= EARLIEST_MS && openTime <= latestMs))
    wrong('open_time_ms', cell('open_time_ms'), `the start of a minute in epoch ms, from 2009-01-03 to ${latest}`);
  const [open, high, low, close] = [price('open', cell), price('high', cell), price('low', cell), price('close', cell)];
  const volume = decimal('volume', cell);
  const takerBuyVolume = cell('taker_buy_volume') === '' ? '0.00000000' : decimal('taker_buy_volume', cell);
  if (above(open, high) || above(close, high)) wrong('high', high, 'at least open and close');
  if (above(low, open) || above(low, close)) wrong('low', low, 'at most open and close');
  if (above(takerBuyVolume, volume)) wrong('taker_buy_volume', takerBuyVolume, 'at most volume');
  const quotes = {
    quoteVolume: product('quote_volume', cell),
    takerBuyQuoteVolume: product('taker_buy_quote_volume', cell),
  };
  return {
    symbol,
    interval: '1m',
    openTime,
    open,
    high,
    low,
    close,
    volume,
    takerBuyVolume,
    ...quotes,
    trades: count('trades', cell) ?? 0,
    firstTradeId: count('first_trade_id', cell),
    lastTradeId: count('last_trade_id', cell),
    firstTradeTime: within('first_trade_time_ms', cell, openTime),
    lastTradeTime: within('last_trade_time_ms', cell, openTime),
    closed: true,
    revision: 0,
    seq: nextSeq(0, openTime),
  };
}

function wrong(name: Column, text: string, rule: string): never {
  const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text;
  throw new WrongCell(`${name} ${JSON.stringify(shown.replace(/[^\x20-\x7e…]/g, '?'))} must be ${rule}`);
}

type Cells = (name: Column) => string;

/** With all eight decimals. */
function decimal(name: Column, cell: Cells): string {
  const text = cell(name);
  if (parseDecimal(text) === null)
    wrong(name, text, 'a plain decimal with at most 12 digits before and 8 after the point, such as 0.00141342');
  return padded(text, 8);
}

function price(name: Column, cell: Cells): string {
  const text = decimal(name, cell);
  if (!/[1-9]/.test(text)) wrong(name, cell(name), 'above zero');
  return text;
}

/** A price times a quantity, with all sixteen decimals. */
function product(name: Column, cell: Cells): string {
  const text = cell(name);
  if (text === '') return NO_PRODUCT;
  if (!PRODUCT.test(text)) wrong(name, text, 'a plain decimal with at most 24 digits before and 16 after the point');
  return padded(text, 16);
}

function padded(text: string, decimals: number): string {
  const [whole = '', fraction = ''] = text.split('.');
  return `${whole.replace(/^0+(?=\d)/, '')}.${fraction.slice(0, decimals).padEnd(decimals, '0')}`;
}

function count(name: Column, cell: Cells): number | null {
  const text = cell(name);
  if (text === '') return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) wrong(name, text, 'an integer from 0 to 2^53-1');
  return value;
}

function within(name: Column, cell: Cells, openTime: number): number | null {
  const time = count(name, cell);
  if (time !== null && !(time >= openTime && time < openTime + MINUTE_MS))
    wrong(name, String(time), `in the minute of ${openTime}`);
  return time;
}

/** Of decimals with as many digits after the point. */
function above(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}

function isColumn(name: string): boolean {
  return (COLUMNS as readonly string[]).includes(name);
}

function isRequired(name: string): boolean {
  return (REQUIRED as readonly string[]).includes(name);
}

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import type { WireCandle } from '../../src/wire/messages.js';

export const TRADES_FILE = fileURLToPath(new URL('../fixtures/binance-XRPETH-trades.csv.gz', import.meta.url));
const KLINES_FILE = fileURLToPath(new URL('../fixtures/binance-XRPETH-klines-1m.csv.gz', import.meta.url));

/** [open time, open, high, low, close, volume], as the exchange printed it. */
export type Kline = readonly [number, string, string, string, string, string];

/** The exchange's own one-minute klines of the trades in TRADES_FILE. */
export function exchangeKlines(): Kline[] {
  const lines = gunzipSync(readFileSync(KLINES_FILE)).toString().trim().split('\n').slice(1);
  return lines.map((line) => {
    const [time = '', open = '', high = '', low = '', close = '', volume = ''] = line.split(',');
    return [Number(time), open, high, low, close, volume];
  });
}

export function asKline({ t, o, h, l, c, v }: WireCandle): Kline {
  return [t, o, h, l, c, v];
}

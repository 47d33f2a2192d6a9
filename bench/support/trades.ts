import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { parseDecimal } from '../../src/kit/decimal.js';
import type { Trade } from '../../src/market/trade.js';

/** Real prices, quantities, sides and spacing (see test/fixtures/README.md), dealt out to many symbols over one hour of event time. */
export function realShapedTrades(count: number, symbolCount: number): { trades: Trade[]; symbols: string[] } {
  const file = new URL('../../test/fixtures/binance-XRPETH-trades.csv.gz', import.meta.url);
  const rows = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(','));
  const real = rows.map(([, , price = '', quantity = '', side = '']) => {
    const p = parseDecimal(price);
    const q = parseDecimal(quantity);
    if (p === null || q === null) throw new Error(`bad fixture line: ${price},${quantity}`);
    return { p, q, side: side === 'buy' ? ('buy' as const) : ('sell' as const) };
  });
  const symbols = Array.from({ length: symbolCount }, (_, i) => `S${String(i).padStart(4, '0')}USDT`);
  const start = Date.UTC(2024, 4, 31, 23, 30);
  const stepMs = 3_600_000 / count;
  let random = 12345;
  const next = () => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return random;
  };
  const trades: Trade[] = [];
  for (let i = 0; i < count; i++) {
    const { p, q, side } = real[(i * 7 + (next() % 3)) % real.length] as (typeof real)[number];
    trades.push({
      symbol: symbols[next() % symbolCount] as string,
      id: i + 1,
      time: Math.floor(start + i * stepMs),
      priceWhole: p.whole,
      priceFraction: p.fraction,
      quantityWhole: q.whole,
      quantityFraction: q.fraction,
      takerSide: side,
    });
  }
  return { trades, symbols };
}

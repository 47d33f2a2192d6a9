import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { bucketStart, type Interval, MINUTE_MS } from '../../../src/market/interval.js';
import type { WireCandle } from '../../../src/wire/messages.js';
import { exchangeKlines, type Kline, TRADES_FILE } from '../../support/oracle.js';

interface Sum {
  readonly t: number;
  readonly o: string;
  h: bigint;
  l: bigint;
  c: string;
  v: bigint;
  n: number;
}

interface RealTrade {
  readonly id: string;
  readonly side: string;
  readonly time: number;
  readonly price: string;
  readonly quantity: string;
}

/** The feed is away from about that minute on, counted from the first, for so long. */
export interface Hole {
  readonly minute: number;
  readonly lengthMs: number;
}

/** What every candle must be: the exchange's own klines, and their folds into longer intervals. */
export class Truth {
  /** Open time of the first minute, and the end of the last, epoch ms. */
  readonly firstMinute: number;
  readonly end: number;
  /** Open time of the first minute after the hole; 0 without one. */
  readonly holeEnd: number;
  readonly minutes: readonly Kline[];
  readonly #trades: ReadonlyMap<number, readonly RealTrade[]>;
  readonly #minuteAt: ReadonlyMap<number, Kline>;
  readonly #folded = new Map<Interval, ReadonlyMap<number, string>>();

  constructor(hole: Hole | null = null) {
    const trades = tradesByMinute();
    const minutes = exchangeKlines();
    // Cut between two minutes that have trades, so that no flat minute stands beside the hole.
    const isFull = (index: number): boolean => trades.has(minutes[index]?.[0] ?? 0);
    const cut =
      hole === null ? minutes.length : minutes.findIndex((_, i) => i >= hole.minute && isFull(i) && isFull(i - 1));
    const from = minutes[cut]?.[0] ?? Number.POSITIVE_INFINITY;
    const move = (time: number): number => (time < from ? time : time + (hole?.lengthMs ?? 0));
    this.holeEnd = hole === null ? 0 : move(from);
    this.minutes = minutes.map(([t, ...rest]): Kline => [move(t), ...rest]);
    this.#trades = new Map(
      [...trades].map(([t, list]) => [move(t), list.map((trade) => ({ ...trade, time: move(trade.time) }))]),
    );
    this.#minuteAt = new Map(this.minutes.map((kline) => [kline[0], kline]));
    this.firstMinute = this.minutes[0]?.[0] ?? 0;
    this.end = (this.minutes.at(-1)?.[0] ?? 0) + MINUTE_MS;
  }

  static withHole(hole: Hole): Truth {
    return new Truth(hole);
  }

  /** The trades as a file to replay. */
  csv(): string {
    const lines = [...this.#trades.values()]
      .flat()
      .map(({ id, time, price, quantity, side }) => [id, time, price, quantity, side].join());
    return ['trade_id,time_ms,price,quantity,taker_side', ...lines, ''].join('\n');
  }

  /** null = right; else what it should be. */
  checkClosed(interval: Interval, candle: WireCandle): string | null {
    const right = this.#of(interval).get(candle.t) ?? 'no candle';
    const is = signature(candle);
    return is === right ? null : `${is}, not ${right}`;
  }

  /** An open minute must be the fold of as many trades as it counts. null = right. */
  checkOpenMinute(candle: WireCandle): string | null {
    const trades = this.#trades.get(candle.t) ?? [];
    if (candle.n > trades.length) return `${candle.n} trades, there are ${trades.length}`;
    const right = candle.n === 0 ? this.#flat(candle.t) : signatureOf(fold(trades.slice(0, candle.n), candle.t));
    return right === null || signature(candle) === right ? null : `${signature(candle)}, not ${right}`;
  }

  #flat(t: number): string | null {
    const close = this.#minuteAt.get(t - MINUTE_MS)?.[4];
    return close === undefined ? null : [close, close, close, close, '0.00000000', 0].join(' ');
  }

  #of(interval: Interval): ReadonlyMap<number, string> {
    const known = this.#folded.get(interval);
    if (known !== undefined) return known;
    const buckets = new Map<number, Sum>();
    for (const [t, o, h, l, c, v] of this.minutes) {
      const start = bucketStart(interval, t);
      const n = this.#trades.get(t)?.length ?? 0;
      const sum = buckets.get(start);
      if (sum === undefined) buckets.set(start, { t: start, o, h: scaled(h), l: scaled(l), c, v: scaled(v), n });
      else extend(sum, scaled(h), scaled(l), c, scaled(v), n);
    }
    const folded = new Map([...buckets].map(([start, sum]) => [start, signatureOf(sum)]));
    this.#folded.set(interval, folded);
    return folded;
  }
}

function signature({ o, h, l, c, v, n }: WireCandle): string {
  return `${o} ${h} ${l} ${c} ${v} ${n}`;
}

function signatureOf({ o, h, l, c, v, n }: Sum): string {
  return `${o} ${decimal(h)} ${decimal(l)} ${c} ${decimal(v)} ${n}`;
}

function extend(sum: Sum, h: bigint, l: bigint, c: string, v: bigint, n: number): void {
  if (h > sum.h) sum.h = h;
  if (l < sum.l) sum.l = l;
  sum.c = c;
  sum.v += v;
  sum.n += n;
}

function fold(trades: readonly RealTrade[], t: number): Sum {
  const [first, ...rest] = trades;
  if (first === undefined) throw new RangeError('no trades');
  const price = scaled(first.price);
  const sum: Sum = { t, o: first.price, h: price, l: price, c: first.price, v: scaled(first.quantity), n: 1 };
  for (const trade of rest) {
    extend(sum, scaled(trade.price), scaled(trade.price), trade.price, scaled(trade.quantity), 1);
  }
  return sum;
}

function tradesByMinute(): ReadonlyMap<number, RealTrade[]> {
  const minutes = new Map<number, RealTrade[]>();
  for (const line of gunzipSync(readFileSync(TRADES_FILE)).toString().trim().split('\n').slice(1)) {
    const [id = '', time = '', price = '', quantity = '', side = ''] = line.split(',');
    const minute = bucketStart('1m', Number(time));
    const trades = minutes.get(minute);
    const trade = { id, time: Number(time), price, quantity, side };
    if (trades === undefined) minutes.set(minute, [trade]);
    else trades.push(trade);
  }
  return minutes;
}

/** The prices and quantities of the file have eight decimals. */
function scaled(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

function decimal(value: bigint): string {
  const digits = value.toString().padStart(9, '0');
  return `${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

import type { Candle } from '../../market/candle.js';
import type { Interval } from '../../market/interval.js';
import { candleRow } from '../../wire/binance/kline.js';
import type { HotCandles } from './sources.js';

/** Bodies kept, the last used; one of 500 candles has about 60 KB. */
const KEPT = 256;

interface Body {
  readonly of: HotCandles;
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** Answers made once for all who poll the same between two changes of a channel. */
export class KlineBodies {
  readonly #bodies = new Map<string, Body>();
  /** Of closed candles, which never change: a correction is another one. */
  readonly #rows = new WeakMap<Candle, string>();

  of(symbol: string, interval: Interval, limit: number, hot: HotCandles): Uint8Array {
    const key = `${symbol} ${interval} ${limit}`;
    const known = this.#bodies.get(key);
    if (known !== undefined && known.of === hot && known.version === hot.version) return known.bytes;
    const bytes = Buffer.from(this.#encode(hot, limit), 'latin1');
    this.#bodies.delete(key);
    this.#bodies.set(key, { of: hot, version: hot.version, bytes });
    const [oldest] = this.#bodies.size > KEPT ? this.#bodies.keys() : [];
    if (oldest !== undefined) this.#bodies.delete(oldest);
    return bytes;
  }

  /** Decimals, digits and symbols: one byte a character. */
  #encode({ closed, open }: HotCandles, limit: number): string {
    const count = open === null ? limit : limit - 1;
    const rows = count === 0 ? [] : closed.slice(-count).map((candle) => this.#row(candle));
    if (open !== null) rows.push(candleRow(open));
    return `[${rows.join(',')}]`;
  }

  #row(candle: Candle): string {
    const known = this.#rows.get(candle);
    if (known !== undefined) return known;
    const row = candleRow(candle);
    this.#rows.set(candle, row);
    return row;
  }
}

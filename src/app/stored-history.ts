import { DEFAULT_LIMITS } from '../gateway/limits.js';
import { type Candle, type Gap, REVISION_HORIZON_MS } from '../market/candle.js';
import type { Interval } from '../market/interval.js';
import type { CandleHistory } from '../store/timescale/history.js';

/** Stored candles as the gateway asks for them: closed ones only. */
export class StoredHistory {
  readonly #history: CandleHistory;
  readonly #firstEpoch: number;

  /** @param firstEpoch of this database (see store/timescale/writers). */
  constructor(history: CandleHistory, firstEpoch: number) {
    this.#history = history;
    this.#firstEpoch = firstEpoch;
  }

  async before(symbol: string, interval: Interval, beforeMs: number, limit: number): Promise<readonly Candle[]> {
    const candles = await this.#history.before(symbol, interval, beforeMs, limit);
    return candles.filter((candle) => candle.closed);
  }

  async since(symbol: string, interval: Interval, seq: number, beforeMs: number): Promise<readonly Candle[] | null> {
    const bounds = { limit: DEFAULT_LIMITS.resumeCandles, horizonMs: REVISION_HORIZON_MS };
    const candles = await this.#history.since(symbol, interval, seq, beforeMs, bounds);
    return candles === null ? null : candles.filter((candle) => candle.closed);
  }

  gapsSince(symbol: string, seq: number): Promise<readonly Gap[]> {
    return this.#history.gapsSince(symbol, seq);
  }

  gaps(symbol: string, fromMs: number, toMs: number): Promise<readonly Gap[]> {
    return this.#history.gaps(symbol, fromMs, toMs);
  }

  async firstEpoch(): Promise<number> {
    return this.#firstEpoch;
  }
}

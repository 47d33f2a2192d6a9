import { MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { type FeedContext, floorMinute } from '../feed.js';
import { SymbolHealth } from '../health.js';
import type { Quarantine } from '../quarantine.js';
import type { CcxtExchange } from './ccxt-load.js';
import { type Answer, CcxtReader, type Told } from './ccxt-reader.js';
import { backoffMs, type Timings } from './timings.js';

const PAGE = 1000;
/** The first question reaches back further than it has to: an older trade in the answer shows that nothing is missing. */
const LOOK_BACK_MS = 10 * MINUTE_MS;
/** A shorter answer is all there was; a longer one without an older trade may have been cut at the exchange's limit. */
const CREDIBLE_ANSWER = 100;
/** Rounds without an end are a market that trades faster than it can be asked. */
const MAX_ROUNDS = 200;
const UNREADABLE = 'trades that the exchange told could not be read';

export interface CcxtLaneOptions {
  readonly source: string;
  readonly native: string;
  readonly symbol: string;
  readonly exchange: CcxtExchange;
  readonly context: FeedContext;
  readonly quarantine: Quarantine;
  readonly timings: Timings;
  /** An absence longer than this is a gap. */
  readonly backfillMs: number;
}

/**
 * One symbol by ccxt. Streamed trades show at once; the clock, and with it the close of a minute, waits until REST has answered with
 * everything from the last proven trade on. Where its answer begins later than that, or has trades that cannot be read, trades are
 * missing, and the gap is announced.
 */
export class CcxtLane {
  readonly symbol: string;
  readonly #options: CcxtLaneOptions;
  readonly #health: SymbolHealth;
  readonly #reader: CcxtReader;
  /** Up to here nothing is missing, or it was announced; trades before it are not asked for. */
  #proved = Number.NEGATIVE_INFINITY;
  /** Newest trade that REST has told, and its id; from it on the next answer has to begin. */
  #anchor: { time: number; id: number } | null = null;
  #begun = Number.POSITIVE_INFINITY;
  /** Time of the first trade that could not be read, of a minute that is not over. */
  #lost: number | null = null;
  #checking = false;
  #attempt = 0;
  #retryAt = Number.NEGATIVE_INFINITY;
  #failingSince: number | null = null;
  #streams = false;
  #gapEnd = Number.NEGATIVE_INFINITY;
  #stopped = false;

  constructor(options: CcxtLaneOptions) {
    const { symbol, native, source, context, quarantine } = options;
    this.#options = options;
    this.symbol = symbol;
    this.#reader = new CcxtReader(symbol, native, quarantine);
    this.#health = new SymbolHealth(symbol, source, false, context.sink, context.clock);
  }

  get isWhole(): boolean {
    return this.#attempt === 0 && !this.#checking && Number.isFinite(this.#proved);
  }

  start(): void {
    const { context, backfillMs } = this.#options;
    const stored = context.resume(this.symbol).lastClosedEnd;
    const oldest = floorMinute(this.#now - backfillMs);
    this.#begun = stored === null ? floorMinute(this.#now) : Math.max(stored, oldest);
    if (stored !== null) {
      context.sink.advance(this.symbol, stored + context.graceMs);
      if (this.#begun > stored) this.#announce(stored, this.#begun, 'the absence was longer than is fetched');
    }
    this.#prove(this.#begun);
    void this.#stream();
    this.#startCheck();
  }

  stop(): void {
    this.#stopped = true;
  }

  tick(): void {
    const { timings, context } = this.#options;
    const closesAt = floorMinute(this.#proved - context.graceMs) + MINUTE_MS + context.graceMs;
    if (this.#now >= closesAt + timings.probeAfterMs) this.#startCheck();
    this.#giveUp();
    const isLate = this.#now - this.#proved > timings.staleAfterMs;
    if (isLate || !this.#streams) this.#health.become('stale');
    else this.#health.become(this.#proved < this.#gapEnd ? 'gap' : 'live');
    this.#health.refresh();
  }

  get #now(): number {
    return this.#options.context.clock.now();
  }

  async #stream(): Promise<void> {
    const { exchange, native, context, timings } = this.#options;
    for (let attempt = 0; !this.#stopped; ) {
      try {
        const items = await exchange.watchTrades(native);
        if (this.#stopped) return;
        this.#streams = true;
        attempt = 0;
        for (const trade of this.#reader.streamed(items, this.#now)) this.#deliver(trade);
      } catch (error) {
        if (this.#stopped) return;
        this.#streams = false;
        context.log.warn({ err: error, symbol: native }, 'the stream by ccxt has failed; it begins anew');
        const pause = backoffMs(attempt++, Math.random(), timings);
        await new Promise<void>((resolve) => context.clock.after(pause, resolve));
      }
    }
  }

  #deliver(trade: Trade): void {
    if (trade.time < this.#begun) return;
    this.#options.context.sink.trade(trade);
    this.#health.seen(trade.time);
  }

  #startCheck(): void {
    if (this.#checking || this.#now < this.#retryAt) return;
    this.#checking = true;
    void this.#check()
      .then(
        () => {
          this.#attempt = 0;
          this.#failingSince = null;
        },
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#checking = false;
      });
  }

  #failed(error: unknown): void {
    const { timings, context, native } = this.#options;
    if (this.#stopped) return;
    this.#failingSince ??= this.#now;
    this.#retryAt = this.#now + backoffMs(this.#attempt++, Math.random(), timings);
    context.log.warn({ err: error, symbol: native }, 'ccxt could not fetch trades; it tries again');
  }

  /** Asks until an answer brings nothing new: then everything up to the question is here. */
  async #check(): Promise<void> {
    const { exchange, native, context } = this.#options;
    for (let round = 0; round < MAX_ROUNDS && !this.#stopped; round++) {
      const askedAt = this.#now;
      const since = this.#anchor?.time ?? this.#begun - LOOK_BACK_MS;
      if (round === 1) this.#health.become('backfilling');
      const items = await exchange.fetchTrades(native, since, PAGE);
      await context.sink.ready();
      if (this.#stopped) return;
      if (!this.#takeAnswer(this.#reader.answered(items, this.#now), askedAt)) return this.#prove(askedAt);
    }
  }

  /** @returns whether there was anything new. */
  #takeAnswer({ told, untimed }: Answer, askedAt: number): boolean {
    const anchor = this.#anchor;
    const first = told[0];
    const last = told.at(-1);
    if (first !== undefined && last !== undefined) {
      if (anchor !== null && !told.some(({ id, time }) => id === anchor.id && time === anchor.time))
        this.#announce(anchor.time, first.time + 1, 'the answer of the exchange does not reach back to what was known');
      else if (anchor === null && first.time > this.#begun && told.length >= CREDIBLE_ANSWER)
        this.#announce(this.#begun, first.time + 1, 'the answer of the exchange does not reach back to where it began');
      for (const each of told) this.#takeTold(each);
      this.#anchor = { time: last.time, id: last.id };
      this.#prove(last.time);
    }
    // After the trades, which it would make late ones.
    if (untimed)
      this.#announce(
        Math.max(this.#begun, anchor?.time ?? this.#begun),
        Math.max(askedAt, (last?.time ?? 0) + 1),
        UNREADABLE,
      );
    return last !== undefined && (last.id !== anchor?.id || last.time !== anchor.time);
  }

  #takeTold({ time, trade, lost }: Told): void {
    this.#endLost(time);
    if (trade !== null) this.#deliver(trade);
    else if (lost && time >= this.#begun) this.#lose(time);
  }

  #lose(time: number): void {
    const minute = floorMinute(time);
    if (this.#lost === null || floorMinute(this.#lost) === minute) this.#lost = Math.min(time, this.#lost ?? time);
    else this.#announce(time, minute + MINUTE_MS, UNREADABLE);
  }

  /** With `timeMs` the minute is over that lacks trades: what it has is here, and it closes with its gap. */
  #endLost(timeMs: number): void {
    const from = this.#lost;
    if (from === null || timeMs < floorMinute(from) + MINUTE_MS) return;
    this.#lost = null;
    this.#announce(from, floorMinute(from) + MINUTE_MS, UNREADABLE);
  }

  /** Streamed trades must not wait for ever for a REST that is away. */
  #giveUp(): void {
    if (this.#failingSince === null || !this.#streams) return;
    if (this.#now - this.#failingSince < this.#options.timings.patienceMs) return;
    this.#announce(this.#proved, this.#now, 'nothing proved that no trades were missed');
    this.#failingSince = this.#now;
  }

  #announce(from: number, to: number, reason: string): void {
    const end = Math.max(to, from + 1);
    this.#options.context.sink.gap(this.symbol, from, end, reason);
    this.#gapEnd = floorMinute(end - 1) + MINUTE_MS;
    this.#prove(end);
  }

  #prove(timeMs: number): void {
    this.#endLost(Math.max(timeMs, this.#proved));
    if (timeMs <= this.#proved) return;
    this.#proved = timeMs;
    this.#options.context.sink.advance(this.symbol, timeMs);
  }
}

import { setImmediate as nextTurn } from 'node:timers/promises';
import { DAY_MS, MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { type Feed, type FeedContext, floorMinute, redeliverFrom } from '../feed.js';
import { SymbolHealth } from '../health.js';
import { Quarantine } from '../quarantine.js';
import type { FeedSpec } from '../spec.js';
import { Pace } from './pace.js';
import { readTrades, requireTradeFile } from './reader.js';
import { openTradeFile, type TradeFile } from './source.js';

/** A longer silence is announced as a gap instead of being filled with flat minutes. */
export const SILENCE_LIMIT_MS = DAY_MS;
/** The event loop gets its turn after this long. */
const TURN_MS = 10;

export type ReplaySpec = Extract<FeedSpec, { kind: 'replay' }>;

/** Turns a file of trades into a feed whose clock is the trades' event time. */
export class ReplayFeed implements Feed {
  readonly name: string;
  readonly source = 'replay';
  readonly synthetic = false;
  readonly symbols: readonly string[];
  readonly quarantine: Quarantine;
  /** Trades of before the point of re-delivery: they are stored already. */
  skipped = 0;
  delivered = 0;
  readonly #symbol: string;
  readonly #health: SymbolHealth;
  readonly #batches: AsyncGenerator<Trade[]>;
  readonly #pace: Pace;
  readonly #from: number;
  readonly #storedEnd: number;
  readonly #stop = new AbortController();
  #batch: Trade[] = [];
  #next = 0;
  #ended = false;
  /** Newest event time read, delivered or not. */
  #newest = Number.NEGATIVE_INFINITY;
  #clock = Number.NEGATIVE_INFINITY;
  #turn: number;
  #running: Promise<void> = Promise.resolve();

  /** @throws UserError when the file is missing, no file, unreadable or no trade file. */
  static async open(spec: ReplaySpec, context: FeedContext): Promise<ReplayFeed> {
    await requireTradeFile(spec.file);
    return new ReplayFeed(spec, context, await openTradeFile(spec.file));
  }

  private constructor(
    private readonly spec: ReplaySpec,
    private readonly context: FeedContext,
    private readonly file: TradeFile,
  ) {
    const { clock, log, sink } = context;
    this.name = `feed replay ${spec.symbol}`;
    this.#symbol = spec.symbol;
    this.symbols = [spec.symbol];
    this.quarantine = new Quarantine(log, `replay ${spec.symbol}`);
    this.#health = new SymbolHealth(spec.symbol, this.source, false, sink, clock);
    this.#batches = readTrades(spec.symbol, file, this.quarantine, () => clock.now());
    this.#pace = new Pace(spec.speed, clock, this.#stop.signal);
    const resume = context.resume(spec.symbol);
    this.#from = redeliverFrom(resume);
    this.#storedEnd = resume.lastClosedEnd ?? Number.NEGATIVE_INFINITY;
    this.#turn = clock.now();
  }

  /** Delivers again, unpaced, what is behind the newest stored minute. */
  async catchUp(progress: (done: number) => void): Promise<void> {
    while (this.#storedEnd !== Number.NEGATIVE_INFINITY) {
      const trade = this.#batch[this.#next] ?? (await this.#peek());
      if (trade === null || trade.time >= this.#storedEnd) break;
      this.#take(trade);
      if (this.#turnIsOver()) await this.#yield();
      if (this.#next === 1) progress(this.file.progress());
    }
    progress(1);
  }

  async start(): Promise<void> {
    this.#health.become('live');
    this.#running = this.#run().catch((error: unknown) => {
      this.context.log.error({ err: error, symbol: this.#symbol }, 'the replay failed');
      this.#health.become('ended');
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#batches.return(undefined);
  }

  /** Resolves when the file has ended (or the feed has been stopped). */
  ended(): Promise<void> {
    return this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // Most trades of an unpaced replay await nothing.
      const trade = this.#batch[this.#next] ?? (await this.#peek());
      if (trade === null) return this.#finish();
      if (this.spec.speed > 0) await this.#waitFor(trade);
      if (this.#stop.signal.aborted) return;
      this.#take(trade);
      if (this.#turnIsOver()) await this.#yield();
    }
  }

  async #waitFor(trade: Trade): Promise<void> {
    if (trade.time - this.#newest > SILENCE_LIMIT_MS) this.#pace.anchor(trade.time);
    else await this.#pace.until(trade.time, (timeMs) => this.#advance(timeMs));
  }

  /** The next trade of the file, not yet taken; null at its end. */
  async #peek(): Promise<Trade | null> {
    for (;;) {
      const trade = this.#batch[this.#next];
      if (trade !== undefined) return trade;
      if (this.#ended) return null;
      await this.#readBatch();
    }
  }

  async #readBatch(): Promise<void> {
    this.#batch = [];
    this.#next = 0;
    await this.context.sink.ready();
    try {
      const { value, done } = await this.#batches.next();
      if (done === true) this.#ended = true;
      else this.#batch = value;
    } catch (error) {
      this.#ended = true;
      this.context.log.error(
        { err: error, file: this.spec.file },
        'the file is damaged or cut short; everything before that point was read and stays',
      );
    }
  }

  #turnIsOver(): boolean {
    return this.context.clock.now() - this.#turn >= TURN_MS;
  }

  async #yield(): Promise<void> {
    await nextTurn();
    this.#turn = this.context.clock.now();
  }

  /** Takes the trade that was looked at off the batch and delivers it. */
  #take(trade: Trade): void {
    const { sink, clock } = this.context;
    this.#next++;
    this.#announceSilence(trade.time);
    this.#newest = Math.max(this.#newest, trade.time);
    if (trade.time < this.#from) {
      this.skipped++;
      return;
    }
    const outcome = sink.trade(trade);
    if (outcome === 'too_late' || outcome === 'overflow')
      this.quarantine.add(outcome, OUTCOMES[outcome], { tradeId: trade.id }, clock.now());
    this.delivered++;
    this.#health.seen(trade.time);
    this.#health.refresh();
    this.#advance(trade.time);
  }

  #announceSilence(timeMs: number): void {
    if (this.#newest === Number.NEGATIVE_INFINITY || timeMs - this.#newest <= SILENCE_LIMIT_MS) return;
    const to = floorMinute(timeMs);
    if (to <= this.#from) return;
    this.#closeLastMinute();
    const from = floorMinute(this.#newest) + MINUTE_MS;
    this.context.sink.gap(this.#symbol, from, to, 'the file has no trades for more than a day');
  }

  #advance(timeMs: number): void {
    if (timeMs <= this.#clock) return;
    this.#clock = timeMs;
    this.context.sink.advance(this.#symbol, timeMs);
  }

  #closeLastMinute(): void {
    if (this.#newest < this.#from) return;
    this.#advance(floorMinute(this.#newest) + MINUTE_MS + this.context.graceMs);
  }

  #finish(): void {
    if (this.#newest !== Number.NEGATIVE_INFINITY) this.#closeLastMinute();
    this.quarantine.summarise();
    this.#health.become('ended');
    this.context.log.info(
      { symbol: this.#symbol, trades: this.delivered, skipped: this.skipped, quarantined: this.quarantine.total },
      'the replay has ended; the server goes on serving',
    );
  }
}

const OUTCOMES = {
  too_late: 'the trade is more than 60 minutes behind the ones before it',
  overflow: 'with this trade the volume of its candle would pass DECIMAL(20,8)',
} as const;

import { setImmediate as nextTurn } from 'node:timers/promises';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../market/interval.js';
import type { Trade } from '../../market/trade.js';
import { type Feed, type FeedContext, floorMinute, redeliverFrom } from '../feed.js';
import { SymbolHealth } from '../health.js';
import { MARKETS, type Market } from './markets.js';
import { tradesOfMinute } from './minute.js';

export const HISTORY_MS = 2 * DAY_MS;
const TICK_MS = 25;
/** History is delivered in slices of this much market time, market after market, so that all of them move on together. */
const SLICE_MS = 10 * MINUTE_MS;
/** The event loop gets its turn after this long. */
const TURN_MS = 10;

/** One market on its way through time. */
interface Lane {
  readonly market: Market;
  readonly health: SymbolHealth;
  /** Everything before this time is delivered. */
  position: number;
  /** The minute under way (ms) with its trades, and how many of them are delivered. */
  minute: number;
  trades: readonly Trade[];
  next: number;
}

/** A seeded synthetic market: two days of history, then live. Any stretch of time can be generated again identically. */
export class DemoFeed implements Feed {
  readonly name = 'feed demo';
  readonly source = 'demo';
  readonly synthetic = true;
  readonly symbols: readonly string[];
  readonly #lanes: readonly Lane[];
  #stopped = false;
  #stopTicking: () => void = () => {};
  #pumping: Promise<void> | null = null;

  constructor(
    private readonly seed: number,
    private readonly context: FeedContext,
    markets: readonly Market[] = MARKETS,
  ) {
    this.symbols = markets.map((market) => market.symbol);
    this.#lanes = markets.map((market) => ({
      market,
      health: new SymbolHealth(market.symbol, this.source, true, context.sink, context.clock),
      position: 0,
      minute: -1,
      trades: [],
      next: 0,
    }));
  }

  async catchUp(progress: (done: number) => void): Promise<void> {
    const now = this.context.clock.now();
    for (const lane of this.#lanes) this.#placeLane(lane, now);
    await this.#pump(progress);
    progress(1);
  }

  async start(): Promise<void> {
    for (const lane of this.#lanes) lane.health.become('live');
    this.#stopTicking = this.context.clock.every(TICK_MS, () => this.#tick());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    await this.#pumping;
  }

  /** Where to begin: two days back, or behind what is stored; across a longer absence there is a gap. */
  #placeLane(lane: Lane, now: number): void {
    const resume = this.context.resume(lane.market.symbol);
    const oldest = Math.floor((now - HISTORY_MS) / HOUR_MS) * HOUR_MS;
    const from = redeliverFrom(resume);
    lane.position = from === Number.NEGATIVE_INFINITY ? oldest : from;
    if (resume.lastClosedEnd === null || resume.lastClosedEnd >= oldest) return;
    this.#deliver(lane, resume.lastClosedEnd);
    this.context.sink.advance(lane.market.symbol, resume.lastClosedEnd + this.context.graceMs);
    this.context.sink.gap(lane.market.symbol, resume.lastClosedEnd, oldest, 'the demo was not running');
    lane.position = oldest;
  }

  #tick(): void {
    if (this.#pumping !== null) return;
    this.#pumping = this.#pump(() => {})
      .catch((error: unknown) => this.context.log.error({ err: error }, 'the demo feed failed to deliver'))
      .finally(() => {
        this.#pumping = null;
      });
  }

  /** Delivers everything up to now; where that is much (history, a laptop that slept), in slices with room for others. */
  async #pump(progress: (done: number) => void): Promise<void> {
    const { clock, sink } = this.context;
    const first = Math.min(...this.#lanes.map((lane) => lane.position));
    let turn = clock.now();
    for (let to = first; !this.#stopped && to < clock.now(); ) {
      await sink.ready();
      to = Math.min(floorMinute(to) + SLICE_MS, clock.now());
      for (const lane of this.#lanes) {
        this.#deliver(lane, to);
        if (clock.now() - turn < TURN_MS) continue;
        progress((to - first) / Math.max(1, clock.now() - first));
        await nextTurn();
        turn = clock.now();
      }
    }
  }

  /** Delivers the trades of [position, to) and moves the symbol's clock to `to`. */
  #deliver(lane: Lane, to: number): void {
    const { sink } = this.context;
    while (lane.position < to) {
      const minute = floorMinute(lane.position);
      if (lane.minute !== minute) this.#enterMinute(lane, minute);
      const until = Math.min(to, minute + MINUTE_MS);
      for (; lane.next < lane.trades.length; lane.next++) {
        const trade = lane.trades[lane.next];
        if (trade === undefined || trade.time >= until) break;
        sink.trade(trade);
        lane.health.seen(trade.time);
      }
      lane.position = until;
      sink.advance(lane.market.symbol, until);
    }
    lane.health.refresh();
  }

  #enterMinute(lane: Lane, minute: number): void {
    lane.minute = minute;
    lane.trades = tradesOfMinute(lane.market, this.seed, minute / MINUTE_MS);
    lane.next = lane.trades.findIndex((trade) => trade.time >= lane.position);
    if (lane.next < 0) lane.next = lane.trades.length;
  }
}

import { type FeedContext, redeliverFrom, type TradeOutcome } from '../feed.js';
import { SymbolHealth } from '../health.js';
import { isAway, type SymbolView, type Views } from './plan.js';
import type { PushGap, PushRecord } from './record.js';

interface Lane {
  view: SymbolView;
  readonly health: SymbolHealth;
  /** Where the symbol's clock stands, and where it stood at the last two prunings (epoch ms). */
  clock: number;
  clockAtPrune: number;
}

/** The symbols of the push feed on their way into the sink. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();

  constructor(
    private readonly source: string,
    private readonly context: FeedContext,
  ) {}

  get symbols(): string[] {
    return [...this.#lanes.keys()];
  }

  /** What is known of a symbol: from its pushes, else from what is stored of it; null when it is new. */
  view(symbol: string): SymbolView | null {
    const lane = this.#lanes.get(symbol);
    if (lane !== undefined) return lane.view;
    const { lastClosedEnd } = this.context.resume(symbol);
    if (lastClosedEnd === null) return null;
    return { collector: '', live: false, postedAt: lastClosedEnd, away: true, newest: lastClosedEnd, newestId: null };
  }

  commit(views: Views): void {
    for (const [symbol, view] of views) this.#lane(symbol, view).view = view;
  }

  /** Delivers a record; @returns an outcome per trade. Trades and gaps before the point of re-delivery are left out (null). */
  deliver(record: PushRecord, from: (symbol: string) => number): (TradeOutcome | null)[] {
    for (const gap of record.gaps) if (gap.to > from(gap.symbol)) this.#gap(gap);
    return record.trades.map((trade) => {
      if (trade.time < from(trade.symbol)) return null;
      const outcome = this.context.sink.trade(trade);
      const lane = this.#lanes.get(trade.symbol);
      if (lane === undefined) return outcome;
      lane.health.seen(trade.time);
      this.#advance(trade.symbol, lane, Math.min(trade.time, record.at));
      return outcome;
    });
  }

  /** After re-delivery: everything that had closed closes again, and the collectors are awaited. */
  resumed(): void {
    for (const [symbol, lane] of this.#lanes) {
      const end = this.context.resume(symbol).lastClosedEnd;
      if (end !== null) this.#advance(symbol, lane, end + this.context.graceMs);
      const postedAt = Math.max(lane.view.postedAt, end ?? Number.NEGATIVE_INFINITY);
      lane.view = { ...lane.view, away: true, postedAt };
    }
  }

  /** The clock tick: live symbols follow the wall clock, those whose collector is away are stale. */
  tick(): void {
    const now = this.context.clock.now();
    for (const [symbol, lane] of this.#lanes) {
      const away = isAway(lane.view, now);
      if (!away && lane.view.live) this.#advance(symbol, lane, now);
      lane.health.become(away ? 'stale' : 'live');
      lane.health.refresh();
    }
  }

  /** Trades of before this are never needed again. Lags by one call, so that what has closed is durable too. */
  pruneHorizons(marginMs: number): (symbol: string) => number {
    const horizons = new Map<string, number>();
    for (const [symbol, lane] of this.#lanes) {
      horizons.set(symbol, lane.clockAtPrune - marginMs);
      lane.clockAtPrune = lane.clock;
    }
    return (symbol) => horizons.get(symbol) ?? Number.NEGATIVE_INFINITY;
  }

  /** Point of re-delivery, looked up once a symbol. */
  redelivery(): (symbol: string) => number {
    const points = new Map<string, number>();
    return (symbol) => {
      const known = points.get(symbol);
      if (known !== undefined) return known;
      const point = redeliverFrom(this.context.resume(symbol));
      points.set(symbol, point);
      return point;
    };
  }

  #lane(symbol: string, view: SymbolView): Lane {
    const known = this.#lanes.get(symbol);
    if (known !== undefined) return known;
    const { sink, clock } = this.context;
    const health = new SymbolHealth(symbol, this.source, false, sink, clock);
    const lane = { view, health, clock: Number.NEGATIVE_INFINITY, clockAtPrune: Number.NEGATIVE_INFINITY };
    this.#lanes.set(symbol, lane);
    return lane;
  }

  #gap(gap: PushGap): void {
    this.context.sink.gap(gap.symbol, gap.from, gap.to, gap.reason);
  }

  #advance(symbol: string, lane: Lane, timeMs: number): void {
    if (timeMs <= lane.clock) return;
    lane.clock = timeMs;
    this.context.sink.advance(symbol, timeMs);
  }
}

import type { StoredState } from '../candles/book.js';
import { CandlePipeline } from '../candles/pipeline.js';
import { createFeeds } from '../feed/create.js';
import { type Feed, floorMinute, type TradeSink } from '../feed/feed.js';
import { REVISION_HORIZON_MS } from '../market/candle.js';
import { MINUTE_MS } from '../market/interval.js';
import type { Hole } from '../store/timescale/holes.js';
import type { Around } from './around.js';
import { atMost } from './at-most.js';
import { resumePoint } from './restore.js';
import type { Store } from './store.js';

/** A takeover waits this long for the trades of a hole; what has not come by then is a gap. */
const REFETCH_MS = 60_000;
/** Minutes before a hole: those that late trades may correct, and the price at which quiet ones are flat. */
const MINUTES_BEFORE = 130;

/** Closed minutes of a symbol that its last writer published and nobody has; open times in [from, to), epoch ms. */
export interface LostMinutes extends Hole {
  readonly symbol: string;
  /** End of the newest minute that was published. */
  readonly end: number;
}

/**
 * Has the feeds bring the trades of holes again, from the minute before on, as if the symbol had been taken over there, and
 * writes what closes inside; a feed that has no past (push) brings nothing. Positions are those the minutes had: whoever saw
 * them close is told nothing, whoever did not finds them in order.
 * @returns what the feeds themselves say is missing; resolves when the rest is in the database.
 */
export async function refetch(
  around: Around,
  holes: readonly LostMinutes[],
  epoch: number,
  store: Store,
): Promise<(Hole & { readonly symbol: string })[]> {
  const states = new Map<string, StoredState>();
  for (const { symbol, from } of holes) {
    const minutes = await store.history.before(symbol, '1m', from, MINUTES_BEFORE);
    states.set(symbol, { minutes, hours: [], days: [], gaps: [], lastSeq: minutes.at(-1)?.seq ?? 0 });
  }
  const past = new Past(around, holes, states, epoch, store);
  const { config, clock, log } = around;
  const { all } = await createFeeds(
    // At the pace of the market it would take as long as the hole is.
    config.feeds.map((spec) => (spec.kind === 'replay' ? { ...spec, speed: 0 } : spec)),
    { has: (symbol) => states.has(symbol), push: false },
    {
      clock,
      log,
      sink: past.sink,
      graceMs: config.graceMs,
      dataDir: config.dataDir,
      resume: (symbol) => resumePoint(states.get(symbol)),
    },
  );
  if (all.length > 0) await past.bring(all);
  return past.gaps;
}

/** An engine that stands before the holes, and keeps of what it makes the minutes inside. */
class Past {
  readonly gaps: (Hole & { readonly symbol: string })[] = [];
  readonly sink: TradeSink;
  readonly #around: Around;
  readonly #store: Store;
  readonly #holes: ReadonlyMap<string, LostMinutes>;
  readonly #pipeline: CandlePipeline;
  readonly #waiting = new Set<string>();
  #whole: () => void = () => {};

  constructor(
    around: Around,
    holes: readonly LostMinutes[],
    states: ReadonlyMap<string, StoredState>,
    epoch: number,
    store: Store,
  ) {
    const { clock, log, config } = around;
    this.#around = around;
    this.#store = store;
    this.#holes = new Map(holes.map((hole) => [hole.symbol, hole]));
    this.#pipeline = new CandlePipeline({
      epoch,
      graceMs: config.graceMs,
      coalesceMs: 0,
      clock,
      log,
      append: (records) =>
        store.spool.append(
          records.filter(
            (record) => record.kind === 'candle' && record.candle.openTime < this.#endOf(record.candle.symbol),
          ),
        ),
      publish: () => {},
      wants: () => false,
    });
    for (const [symbol, state] of states) {
      const last = state.minutes.at(-1);
      if (last !== undefined) this.#pipeline.restore(symbol, state, floorMinute(last.openTime - REVISION_HORIZON_MS));
    }
    this.sink = this.#makeSink();
  }

  async bring(feeds: readonly Feed[]): Promise<void> {
    const { clock, log } = this.#around;
    for (const symbol of feeds.flatMap(({ symbols }) => symbols)) this.#waiting.add(symbol);
    const whole = new Promise<void>((resolve) => {
      this.#whole = resolve;
    });
    await this.#pipeline.start();
    const run = async (feed: Feed): Promise<void> => {
      await feed.catchUp(() => {});
      await feed.start();
    };
    try {
      await atMost(REFETCH_MS, clock, Promise.all([whole, ...feeds.map(run)]));
    } catch (error) {
      log.warn({ err: error }, 'trades of a hole could not be brought again');
    }
    for (const feed of feeds) await feed.stop();
    await this.#pipeline.stop();
    await this.#store.writer.drained();
  }

  #endOf(symbol: string): number {
    return this.#holes.get(symbol)?.to ?? Number.NEGATIVE_INFINITY;
  }

  /** Late trades correct the last minutes of a hole for an hour; what comes after the last published minute is not here. */
  #until(symbol: string): number {
    const hole = this.#holes.get(symbol);
    return hole === undefined ? Number.NEGATIVE_INFINITY : Math.min(hole.to + REVISION_HORIZON_MS, hole.end);
  }

  #done(symbol: string): void {
    if (this.#waiting.delete(symbol) && this.#waiting.size === 0) this.#whole();
  }

  #makeSink(): TradeSink {
    const pipeline = this.#pipeline;
    const { graceMs } = this.#around.config;
    return {
      trade: (trade) => (trade.time < this.#until(trade.symbol) ? pipeline.trade(trade) : 'applied'),
      advance: (symbol, timeMs) => {
        const end = this.#until(symbol) + graceMs;
        pipeline.advance(symbol, Math.min(timeMs, end));
        if (timeMs >= end) this.#done(symbol);
      },
      gap: (symbol, fromMs, toMs, reason) => {
        const hole = this.#holes.get(symbol);
        if (hole === undefined) return;
        const [from, to] = [Math.max(fromMs, hole.from), Math.min(toMs, hole.to)];
        if (from < to) this.gaps.push({ symbol, from, to });
        if (fromMs < hole.to) pipeline.gap(symbol, fromMs, Math.min(toMs, this.#until(symbol)), reason);
        if (toMs >= this.#until(symbol)) this.#done(symbol);
      },
      ready: () => pipeline.ready(),
      status: ({ symbol, state }) => {
        if (state === 'ended') this.#done(symbol);
      },
    };
  }
}

/** The parts of [from, to), which begin and end with minutes, that no gap touches. */
export function unexplained({ from, to }: Hole, gaps: readonly Hole[]): Hole[] {
  const holes: Hole[] = [];
  let begin: number | null = null;
  for (let minute = from; minute < to; minute += MINUTE_MS) {
    const told = gaps.some((gap) => gap.from < minute + MINUTE_MS && gap.to > minute);
    if (told && begin !== null) holes.push({ from: begin, to: minute });
    if (told) begin = null;
    else begin ??= minute;
  }
  if (begin !== null) holes.push({ from: begin, to });
  return holes;
}

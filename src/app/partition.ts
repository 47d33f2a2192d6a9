import { setImmediate as nextTurn } from 'node:timers/promises';
import type { TradeTape } from '../bus/trade-tape.js';
import type { StoredState } from '../candles/book.js';
import { CandlePipeline } from '../candles/pipeline.js';
import { createFeeds, type FeedShare, type Feeds } from '../feed/create.js';
import { floorMinute, type TradeSink } from '../feed/feed.js';
import { noTracer } from '../kit/tracer.js';
import { REVISION_HORIZON_MS } from '../market/candle.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { StageLag } from '../market/stage-lag.js';
import type { CandleHistory } from '../store/timescale/history.js';
import { loadState } from '../store/timescale/state.js';
import { takePartition } from '../store/timescale/writers.js';
import type { Around } from './around.js';
import { atMost } from './at-most.js';
import type { IngestBus } from './bus.js';
import { resumePoint } from './restore.js';
import type { Store } from './store.js';
import type { SymbolWriter } from './symbol-writer.js';
import { adopt } from './takeover.js';

/** Hundreds of symbols take seconds on a busy machine; more than this is a database that does not answer. */
const LOAD_DEADLINE_MS = 120_000;
/** What is on its way into the database when a partition is handed over gets this long; the rest follows from the spool. */
const HANDOVER_MS = 1500;
/** Restoring one takes milliseconds, and in between the leases of thousands have to be renewed. */
const BOOKS_A_TURN = 8;
/** Of so many trades one is looked at for how late it came: the clock costs a tenth of what folding does. */
const SAMPLED_TRADES = 16;

export interface PartitionDeps {
  readonly around: Around;
  readonly store: Store;
  readonly history: CandleHistory;
  readonly bus: IngestBus;
  /** Takes every live trade that is one; null: nobody can ask for them. */
  readonly tape: Pick<TradeTape, 'take'> | null;
  readonly symbols: SymbolWriter;
  readonly lags: IngestLags;
  /** Of this process among all that write. */
  readonly node: string;
}

/** When live trades came in, and when what was made of them was handed to the bus. */
export interface IngestLags {
  readonly trade: StageLag;
  readonly candle: StageLag;
}

/** What a partition consists of: symbols that FEEDS names, or those that are pushed. */
export interface PartitionPlan {
  readonly name: string;
  readonly share: FeedShare;
  /** All that are known beforehand. */
  symbols(): Promise<readonly string[]>;
}

/**
 * Symbols that one writer owns, with their feeds and their engine. `open` brings them to where live data begins, `start`
 * goes live, `close` lets go of them.
 */
export class Partition {
  readonly epoch: number;
  readonly name: string;
  readonly pipeline: CandlePipeline;
  readonly #deps: PartitionDeps;
  readonly #symbols: Set<string>;
  readonly #statuses = new Map<string, SymbolStatus>();
  #trades = 0;
  #feeds: Feeds = { all: [], push: null };
  /** Nothing is published before the stored candles and what the feeds deliver again make one whole. */
  #live = false;

  private constructor(deps: PartitionDeps, name: string, epoch: number, symbols: readonly string[]) {
    const { config, clock, log } = deps.around;
    this.#deps = deps;
    this.name = name;
    this.epoch = epoch;
    this.#symbols = new Set(symbols);
    this.pipeline = new CandlePipeline({
      epoch,
      graceMs: config.graceMs,
      coalesceMs: config.coalesceMs,
      clock,
      log,
      append: (records) => deps.store.spool.append(records),
      publish: (events) => {
        if (this.#live) this.#publish(events);
      },
      wants: (symbol, interval) => deps.bus.wants(symbol, interval),
    });
  }

  /**
   * Takes the partition from whoever had it: from the first statement on the old writer's rows are refused, from the
   * second its messages. Rejects when the database or the bus is away.
   */
  static open(deps: PartitionDeps, plan: PartitionPlan): Promise<Partition> {
    const { tracer = noTracer } = deps.around;
    return tracer.span('take partition', { attributes: { 'candlecast.partition': plan.name } }, async (span) => {
      const partition = await Partition.#open(deps, plan);
      span.set({ 'candlecast.epoch': partition.epoch, 'candlecast.symbols': partition.#symbols.size });
      return partition;
    });
  }

  static async #open(deps: PartitionDeps, plan: PartitionPlan): Promise<Partition> {
    const { store, bus, around } = deps;
    // Under the next epoch rows of the last one are refused: what is in the table must not come again from the spool.
    await store.writer.drained();
    await store.spool.saveAcked();
    const { epoch, first } = await store.readers.run((sql) => takePartition(sql, plan.name, deps.node));
    const symbols = await plan.symbols();
    await adopt(await bus.take(epoch, symbols, first), epoch, around, store);
    const states = await store.readers.run((sql) => loadState(sql, symbols), LOAD_DEADLINE_MS);
    const partition = new Partition(deps, plan.name, epoch, symbols);
    await partition.pipeline.start();
    try {
      await partition.#restore(plan.share, new Map(states.map((state) => [state.symbol, state])));
    } catch (error) {
      await partition.close('lost');
      throw error;
    }
    around.log.info({ partition: plan.name, epoch, symbols: symbols.length }, 'partition taken');
    return partition;
  }

  /** The latest of each symbol that its feed has told. */
  get statuses(): Iterable<SymbolStatus> {
    return this.#statuses.values();
  }

  get feeds(): Feeds {
    return this.#feeds;
  }

  has(symbol: string): boolean {
    return this.#symbols.has(symbol);
  }

  window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    return this.pipeline.window(symbol, interval);
  }

  async start(): Promise<void> {
    this.#live = true;
    this.#deps.bus.own([...this.#symbols]);
    for (const feed of this.#feeds.all) await feed.start();
  }

  /** `lost`: another writer has it; nothing more may leave. Otherwise everything taken in is made durable and published. */
  async close(why: 'lost' | 'handover' | 'stopping'): Promise<void> {
    const { bus, store, around } = this.#deps;
    if (why === 'lost') {
      this.#live = false;
      bus.forget([...this.#symbols]);
    }
    for (const feed of this.#feeds.all) await feed.stop();
    if (why === 'lost') return atMost(HANDOVER_MS, around.clock, this.pipeline.stop());
    await this.pipeline.stop();
    await bus.flush();
    bus.forget([...this.#symbols]);
    if (why === 'handover') await atMost(HANDOVER_MS, around.clock, store.writer.drained());
  }

  async #restore(share: FeedShare, states: ReadonlyMap<string, StoredState>): Promise<void> {
    const { config, clock, log, progress } = this.#deps.around;
    this.#feeds = await createFeeds(config.feeds, share, {
      clock,
      log,
      sink: this.#sink(),
      graceMs: config.graceMs,
      dataDir: config.dataDir,
      resume: (symbol) => resumePoint(states.get(symbol)),
    });
    const entries = this.#feeds.all.flatMap(({ symbols, source, synthetic }) =>
      symbols.map((symbol) => ({ symbol, source, synthetic })),
    );
    await this.#deps.symbols.register(entries);
    await inTurns(states, ([symbol, state]) => restoreBook(this.pipeline, symbol, state));
    for (const feed of this.#feeds.all) {
      await progress.during(`Catching up: ${feed.source}`, (line) => feed.catchUp((done) => line.update(done)));
    }
    await inTurns(this.#symbols, (symbol) => this.pipeline.finishRestore(symbol));
  }

  #sink(): TradeSink {
    const { bus, symbols, tape, lags, around } = this.#deps;
    return {
      trade: (trade) => {
        const outcome = this.pipeline.trade(trade);
        if (!this.#live) return outcome;
        if (this.#trades++ % SAMPLED_TRADES === 0) lags.trade.noteTrade(trade.time, around.clock.now());
        if (outcome !== 'duplicate' && outcome !== 'overflow') tape?.take(trade);
        return outcome;
      },
      advance: (symbol, timeMs) => this.pipeline.advance(symbol, timeMs),
      gap: (symbol, fromMs, toMs, reason) => this.pipeline.gap(symbol, fromMs, toMs, reason),
      ready: () => this.pipeline.ready(),
      status: (status) => {
        if (!this.#symbols.has(status.symbol)) this.#welcome(status.symbol);
        this.#statuses.set(status.symbol, status);
        symbols.note(status);
        bus.publishStatus([status]);
      },
    };
  }

  #publish(events: readonly MarketEvent[]): void {
    const { bus, lags, around } = this.#deps;
    const now = around.clock.now();
    for (const event of events) lags.candle.note(event, now);
    bus.publish(events);
  }

  /** A pushed symbol that was not known before. */
  #welcome(symbol: string): void {
    this.#symbols.add(symbol);
    if (this.#live) this.#deps.bus.own([symbol]);
  }
}

function restoreBook(pipeline: CandlePipeline, symbol: string, state: StoredState): void {
  const last = state.minutes.at(-1);
  if (last !== undefined) pipeline.restore(symbol, state, floorMinute(last.openTime - REVISION_HORIZON_MS));
}

async function inTurns<T>(items: Iterable<T>, run: (item: T) => void): Promise<void> {
  let count = 0;
  for (const item of items) {
    run(item);
    if (++count % BOOKS_A_TURN === 0) await nextTurn();
  }
}

import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { REVISION_HORIZON_MS } from '../../market/candle.js';
import type { Trade } from '../../market/trade.js';
import type { Feed, FeedContext, TradeOutcome } from '../feed.js';
import { Quarantine } from '../quarantine.js';
import { FUTURE_TOLERANCE_MS, isFault } from '../validate.js';
import { readItem } from './item.js';
import { Journal } from './journal.js';
import { Lanes } from './lanes.js';
import { type Batch, planBatch, type SymbolView, type Views } from './plan.js';
import type { PushRecord } from './record.js';

const TICK_MS = 250;
const PRUNE_EVERY_MS = 60_000;
/** Beyond the re-delivery: a clock stands up to a minute and the grace behind the newest closed minute. */
const PRUNE_MARGIN_MS = REVISION_HORIZON_MS + 10 * 60_000;
/** Requests wait for durable storage this long before they are sent away. */
const READY_WITHIN_MS = 5_000;
const MAX_PENDING_TRADES = 100_000;
const MAX_SYMBOLS = 10_000;

/** `accepted` were folded, `corrected` of them into closed candles. `rejected` names positions in the request. */
export interface PushAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly corrected: number;
  readonly rejected: readonly { readonly index: number; readonly code: string; readonly reason: string }[];
}

/** Nothing was taken; the same request may succeed later. */
export class PushUnavailableError extends Error {
  override readonly name = 'PushUnavailableError';
}

interface Pending {
  readonly batch: Batch;
  readonly resolve: (outcomes: Map<Trade, TradeOutcome>) => void;
  readonly reject: (error: Error) => void;
}

/** Trades sent to us. What is acknowledged is in the journal, and delivered again after a restart. */
export class PushFeed implements Feed {
  readonly name = 'feed push';
  readonly source = 'push';
  readonly synthetic = false;
  readonly quarantine: Quarantine;
  readonly #lanes: Lanes;
  readonly #journal: Journal;
  #queue: Pending[] = [];
  #pendingTrades = 0;
  #working: Promise<void> | null = null;
  #open = false;
  #stopTimers: readonly (() => void)[] = [];

  /** `taken`: symbols of other feeds, with the name of that feed. */
  constructor(
    private readonly context: FeedContext,
    private readonly taken: ReadonlyMap<string, string>,
  ) {
    this.quarantine = new Quarantine(context.log, this.source);
    this.#lanes = new Lanes(this.source, context);
    this.#journal = new Journal(join(context.dataDir, 'journal'), context.log);
  }

  get symbols(): readonly string[] {
    return this.#lanes.symbols;
  }

  async catchUp(progress: (done: number) => void): Promise<void> {
    const from = this.#lanes.redelivery();
    for await (const record of this.#journal.read(progress)) {
      await this.context.sink.ready();
      const { views } = planBatch(record, (symbol) => this.#lanes.view(symbol), []);
      this.#lanes.commit(restored(views, record));
      this.#lanes.deliver(record, from);
      await nextTurn();
    }
    this.#lanes.resumed();
    progress(1);
  }

  async start(): Promise<void> {
    this.#open = true;
    const { clock, log } = this.context;
    const prune = () => {
      this.#journal
        .prune(this.#lanes.pruneHorizons(PRUNE_MARGIN_MS))
        .catch((error: unknown) => log.error({ err: error }, 'cannot delete an old segment of the push journal'));
    };
    this.#lanes.tick();
    this.#stopTimers = [clock.every(TICK_MS, () => this.#lanes.tick()), clock.every(PRUNE_EVERY_MS, prune)];
  }

  async stop(): Promise<void> {
    this.#open = false;
    for (const stop of this.#stopTimers) stop();
    await this.#working;
    await this.#journal.close();
    this.quarantine.summarise();
  }

  /**
   * Takes a request; resolves when what it accepted is durable. `collector` names who sends it: a heartbeat vouches for
   * the symbols of its own collector only. @throws PushUnavailableError when nothing could be taken now.
   */
  async push(items: readonly unknown[], collector: string): Promise<PushAnswer> {
    if (!this.#open) throw new PushUnavailableError('the server is starting or stopping');
    if (this.#pendingTrades + items.length > MAX_PENDING_TRADES)
      throw new PushUnavailableError(`${this.#pendingTrades} trades are waiting to be stored already`);
    const at = this.context.clock.now();
    const rejected: { index: number; code: string; reason: string }[] = [];
    const valid = new Map<Trade, number>();
    items.forEach((item, index) => {
      const trade = this.#check(item, at);
      if ('reason' in trade) rejected.push({ index, code: trade.reason, reason: trade.message });
      else valid.set(trade, index);
    });
    for (const { index, code, reason } of rejected) this.quarantine.add(code, reason, { index, collector }, at);
    const trades = [...valid.keys()].sort((a, b) => a.time - b.time || a.id - b.id);
    if (trades.length === 0 && items.length > 0) return { accepted: 0, duplicates: 0, corrected: 0, rejected };
    const outcomes = await this.#enqueue({ at, collector, trades });
    return answer(valid, outcomes, rejected);
  }

  #check(item: unknown, at: number): Trade | { reason: string; message: string } {
    const trade = readItem(item, at + FUTURE_TOLERANCE_MS);
    if (isFault(trade)) return trade;
    const owner = this.taken.get(trade.symbol);
    if (owner !== undefined)
      return { reason: 'symbol_taken', message: `${trade.symbol} comes from the ${owner} feed; push another symbol` };
    if (this.#lanes.view(trade.symbol) === null && this.symbols.length >= MAX_SYMBOLS)
      return { reason: 'too_many_symbols', message: `there are ${MAX_SYMBOLS} pushed symbols already` };
    return trade;
  }

  #enqueue(batch: Batch): Promise<Map<Trade, TradeOutcome>> {
    this.#pendingTrades += batch.trades.length;
    return new Promise((resolve, reject) => {
      this.#queue.push({ batch, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Everything that waits becomes durable together, then is folded in the order it came. */
  async #work(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue;
      this.#queue = [];
      try {
        await this.#store(group);
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        this.context.log.error({ err: cause }, 'pushed trades could not be stored');
        for (const { reject } of group)
          reject(new PushUnavailableError(`the trades could not be stored: ${why}`, { cause }));
      }
      for (const { batch } of group) this.#pendingTrades -= batch.trades.length;
    }
    // In the same turn as the last look at the queue: a request that comes later finds no worker and starts one.
    this.#working = null;
  }

  async #store(group: readonly Pending[]): Promise<void> {
    await this.#storageReady();
    const overlay: Views = new Map();
    const lookup = (symbol: string): SymbolView | null => overlay.get(symbol) ?? this.#lanes.view(symbol);
    const plans = group.map(({ batch }) => {
      const { records, views } = planBatch(batch, lookup, this.symbols);
      for (const [symbol, view] of views) overlay.set(symbol, view);
      return records;
    });
    const records = plans.flat();
    if (records.length > 0) await this.#journal.append(records);
    this.#lanes.commit(overlay);
    for (const [index, { resolve }] of group.entries()) resolve(this.#deliver(plans[index] ?? []));
  }

  #deliver(records: readonly PushRecord[]): Map<Trade, TradeOutcome> {
    const outcomes = new Map<Trade, TradeOutcome>();
    for (const record of records) {
      const results = this.#lanes.deliver(record, () => Number.NEGATIVE_INFINITY);
      for (const [index, trade] of record.trades.entries()) outcomes.set(trade, results[index] ?? 'too_late');
    }
    return outcomes;
  }

  async #storageReady(): Promise<void> {
    let cancel = (): void => {};
    const late = new Promise<never>((_, reject) => {
      cancel = this.context.clock.after(READY_WITHIN_MS, () => reject(new Error('durable storage is behind')));
    });
    try {
      await Promise.race([this.context.sink.ready(), late]);
    } finally {
      cancel();
    }
  }
}

/** A journalled record says itself which of its symbols were live. */
function restored(views: Views, record: PushRecord): Views {
  const live = new Set(record.live);
  return new Map([...views].map(([symbol, view]) => [symbol, { ...view, live: live.has(symbol) }]));
}

const REFUSALS: Partial<Record<TradeOutcome, string>> = {
  too_late: 'the trade is more than 60 minutes behind its symbol: candles that old are final',
  overflow: 'with this trade the volume of its candle would pass DECIMAL(20,8)',
};

function answer(
  valid: ReadonlyMap<Trade, number>,
  outcomes: ReadonlyMap<Trade, TradeOutcome>,
  invalid: PushAnswer['rejected'],
): PushAnswer {
  const counts = { applied: 0, duplicate: 0, corrected: 0, too_late: 0, overflow: 0 };
  const rejected = [...invalid];
  for (const [trade, index] of valid) {
    const outcome = outcomes.get(trade) ?? 'too_late';
    counts[outcome]++;
    const reason = REFUSALS[outcome];
    if (reason !== undefined) rejected.push({ index, code: outcome, reason });
  }
  rejected.sort((a, b) => a.index - b.index);
  return {
    accepted: counts.applied + counts.corrected,
    duplicates: counts.duplicate,
    corrected: counts.corrected,
    rejected,
  };
}

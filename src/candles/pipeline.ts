import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Candle, Gap } from '../market/candle.js';
import type { HotWindow, MarketEvent } from '../market/event.js';
import { INTERVALS, type Interval } from '../market/interval.js';
import type { Trade } from '../market/trade.js';
import type { StoredState, TradeOutcome } from './book.js';
import { CandleEngine } from './engine.js';

/** What must be on disk before it is published. `epoch` is the writer's. */
export type DurableRecord =
  | { readonly kind: 'candle'; readonly epoch: number; readonly candle: Candle }
  | { readonly kind: 'gap'; readonly epoch: number; readonly gap: Gap };

export interface PipelineOptions {
  readonly epoch: number;
  /** Lateness grace of the close. */
  readonly graceMs: number;
  /** Shortest time between two updates of a channel; 0 = every change at once. */
  readonly coalesceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Resolves when the records are on disk. A rejection is retried until it resolves. */
  append(records: readonly DurableRecord[]): Promise<void>;
  publish(events: readonly MarketEvent[]): void;
  /** Whether anybody listens: updates are made for no one else. */
  wants(symbol: string, interval: Interval): boolean;
}

interface Waiter {
  readonly resolve: () => void;
  /** For those who cannot wait as long as the disk takes. */
  readonly reject?: (error: Error) => void;
}

/** What was published last cannot be told apart from what waits for the disk. */
export class DiskBehindError extends Error {
  override readonly name: string = 'HistoryUnavailable';
  constructor() {
    super('closed candles wait for the disk');
  }
}

/** Durable events that may wait for the disk before feeds are asked to wait. */
const PENDING_LIMIT = 50_000;
const RETRY_MS = 1000;

/**
 * Drives the engine: trades in, closed candles to disk and then out, open candles out at most every `coalesceMs`.
 * Nothing overtakes: updates wait while a close that they follow is on its way to the disk.
 */
export class CandlePipeline {
  readonly name = 'candles';
  readonly #options: PipelineOptions;
  readonly #engine: CandleEngine;
  #pending: MarketEvent[] = [];
  #writing = false;
  #scheduled = false;
  #updatesDue = false;
  #stopTimer: () => void = () => {};
  #waiters: Waiter[] = [];
  readonly trades: Record<TradeOutcome, number> = {
    applied: 0,
    duplicate: 0,
    corrected: 0,
    too_late: 0,
    too_early: 0,
    overflow: 0,
  };
  readonly published = { update: 0, closed: 0, gap: 0 };
  /** Failed attempts to make events durable since the last success; 0 = healthy. */
  failedAppends = 0;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#engine = new CandleEngine(options.graceMs, options.epoch);
  }

  async start(): Promise<void> {
    if (this.#options.coalesceMs > 0) {
      this.#stopTimer = this.#options.clock.every(this.#options.coalesceMs, () => {
        this.#updatesDue = true;
        this.#pump();
      });
    }
  }

  /** Resolves when everything taken in is durable and published. */
  async stop(): Promise<void> {
    this.#stopTimer();
    this.#updatesDue = true;
    await this.#settled();
  }

  restore(symbol: string, stored: StoredState, foldFrom: number): void {
    this.#engine.restore(symbol, stored, foldFrom);
  }

  finishRestore(symbol: string): void {
    this.#engine.finishRestore(symbol);
    this.#schedule();
  }

  trade(trade: Trade): Exclude<TradeOutcome, 'too_early'> {
    const outcome = this.#engine.apply(trade);
    this.trades[outcome] += 1;
    this.#schedule();
    // The engine lets a trade that is ahead advance the clock, so that it is never early here.
    return outcome === 'too_early' ? 'too_late' : outcome;
  }

  advance(symbol: string, timeMs: number): void {
    this.#engine.advance(symbol, timeMs);
    this.#schedule();
  }

  gap(symbol: string, fromMs: number, toMs: number, reason: string): void {
    this.#engine.gap(symbol, fromMs, toMs, reason);
    this.#schedule();
  }

  /** Feeds that can wait do so while the disk is behind or somebody waits for a window. */
  async ready(): Promise<void> {
    if (this.#pending.length > PENDING_LIMIT || this.#waiters.length > 0) await this.#settled();
  }

  get pendingEvents(): number {
    return this.#pending.length;
  }

  /** The published state; null for a symbol that no feed has brought. @throws DiskBehindError while the disk takes nothing. */
  async window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    if (this.failedAppends > 0) throw new DiskBehindError();
    return new Promise((resolve, reject) => {
      // Read in the turn in which nothing is on its way: whoever waits beside us may go on to bring more.
      const read = () => resolve(this.#windowNow(symbol, interval));
      this.#wait({ resolve: read, reject });
    });
  }

  #windowNow(symbol: string, interval: Interval): HotWindow | null {
    const window = this.#engine.window(symbol, interval);
    return window === null ? null : { epoch: this.#options.epoch, ...window };
  }

  /** One pump a turn of the loop, however many trades it brought. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    const events = this.#engine.takeEvents();
    if (events.length > 0) this.#pending = this.#pending.length === 0 ? events : this.#pending.concat(events);
    if (this.#writing) return;
    if (this.#pending.length > 0) void this.#write();
    else this.#rest();
  }

  /** Nothing is on its way: updates may go out and windows may be read. */
  #rest(): void {
    if (this.#updatesDue || this.#options.coalesceMs === 0) this.#publishOpen();
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { resolve } of waiters) resolve();
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#pending.length > 0) {
      const events = this.#pending;
      this.#pending = [];
      await this.#appendUntilDone(this.#records(events));
      for (const event of events) this.published[event.kind] += 1;
      this.#options.publish(events);
    }
    this.#writing = false;
    this.#pump();
  }

  #records(events: readonly MarketEvent[]): DurableRecord[] {
    const epoch = this.#options.epoch;
    const records: DurableRecord[] = [];
    for (const event of events) {
      if (event.interval !== '1m') continue;
      if (event.kind === 'closed') records.push({ kind: 'candle', epoch, candle: event.candle });
      else if (event.kind === 'gap') records.push({ kind: 'gap', epoch, gap: event.gap });
    }
    return records;
  }

  async #appendUntilDone(records: readonly DurableRecord[]): Promise<void> {
    while (records.length > 0) {
      try {
        await this.#options.append(records);
        if (this.failedAppends > 0) this.#options.log.info({}, 'closed candles reach the disk again');
        this.failedAppends = 0;
        return;
      } catch (error) {
        this.failedAppends += 1;
        if (this.failedAppends === 1) {
          this.#options.log.error(
            { err: error, waiting: records.length },
            'closed candles wait: the spool cannot take them',
          );
        }
        this.#sendAway();
        await new Promise<void>((resolve) => this.#options.clock.after(RETRY_MS, resolve));
      }
    }
  }

  #sendAway(): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ reject }) => reject === undefined);
    for (const { reject } of waiters) reject?.(new DiskBehindError());
  }

  /** Only when every close before them is out: see #rest. */
  #publishOpen(): void {
    this.#updatesDue = false;
    const updates: MarketEvent[] = [];
    for (const symbol of this.#engine.takeChanged()) {
      for (const interval of INTERVALS) {
        if (!this.#options.wants(symbol, interval)) continue;
        const candle = this.#engine.open(symbol, interval);
        if (candle === null) continue;
        const seq = this.#engine.channelSeq(symbol, interval);
        updates.push({ kind: 'update', symbol, interval, epoch: this.#options.epoch, seq, candle });
      }
    }
    if (updates.length === 0) return;
    this.published.update += updates.length;
    this.#options.publish(updates);
  }

  #settled(): Promise<void> {
    return new Promise((resolve) => this.#wait({ resolve }));
  }

  #wait(waiter: Waiter): void {
    this.#waiters.push(waiter);
    this.#schedule();
  }
}

import type { Clock } from '../../kit/clock.js';
import { DurationHistogram } from '../../kit/histogram.js';
import type { Log } from '../../kit/log.js';
import type { Service } from '../../kit/service.js';
import { noTracer, type Tracer } from '../../kit/tracer.js';
import { compareCursors, type SpoolCursor } from '../spool/cursor.js';
import type { SpoolBatch } from '../spool/spool-reader.js';
import { AckLedger, type Aggregates } from './ack-ledger.js';
import { Database } from './database.js';
import { type PreparedBatch, Sink, type SinkStats } from './sink.js';

/** What the writer drains; `Spool` is one. */
export interface RecordSource {
  readonly acked: SpoolCursor;
  readonly end: SpoolCursor;
  read(from: SpoolCursor, maxRecords: number): Promise<SpoolBatch | null>;
  appended(): Promise<void>;
  ack(written: Pick<SpoolBatch, 'end' | 'lastTime'>, records: number): void;
}

export interface TimescaleWriterOptions {
  readonly url: string;
  readonly source: RecordSource;
  readonly clock: Clock;
  readonly log: Log;
  /** Where rows are put that the database refuses for good. */
  readonly quarantineDirectory: string;
  /** Another writer has taken over: rows of this epoch are refused, and put aside. Called once for each such epoch. */
  readonly onFenced?: (epoch: number) => void;
  /** Without it corrections of old rows are written, but longer intervals may not show them. */
  readonly aggregates?: Aggregates;
  /** Per statement; default 30 s. */
  readonly deadlineMs?: number;
  /** How long `stop` waits for the batch under way; default 3 s. */
  readonly stopDeadlineMs?: number;
  readonly batchRecords?: number;
  /** Default: none. */
  readonly tracer?: Tracer;
  /** In [0, 1); for the jitter of retries. */
  readonly random?: () => number;
}

/** `away`: the database does not take rows at present; they stay in the source and are tried again for ever. */
export type WriterState = 'starting' | 'idle' | 'writing' | 'away' | 'stopped';

export interface WriterStats extends SinkStats {
  readonly state: WriterState;
  readonly batches: number;
  readonly failures: number;
  /** What keeps it `away`; null otherwise. */
  readonly lastError: string | null;
  /** Of batches, until their rows were written; attempts that failed included. */
  readonly durations: DurationHistogram;
}

const DEFAULT_DEADLINE_MS = 30_000;
const DEFAULT_STOP_DEADLINE_MS = 3000;
/** The embedded engine serves nobody else while it takes a batch. */
const DEFAULT_BATCH_RECORDS = 2000;
const MIN_BACKOFF_MS = 100;
/** The backlog drains this soon after the database is back, at the latest. */
const MAX_BACKOFF_MS = 2000;

/** The writer was stopped before all was in the table; the source still holds the rest. */
export class WriterStoppedError extends Error {
  override readonly name: string = 'WriterStoppedError';
  constructor() {
    super('the writer stopped before all was in the table');
  }
}

interface Loaded {
  readonly batch: SpoolBatch;
  readonly prepared: PreparedBatch;
}

interface Waiter {
  readonly target: SpoolCursor;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Moves records from the spool into `ohlcv` and `gaps`, in order, at least once, for as long as it takes. */
export class TimescaleWriter implements Service {
  readonly name = 'writer';
  readonly #options: TimescaleWriterOptions;
  readonly #source: RecordSource;
  readonly #database: Database;
  readonly #sink: Sink;
  readonly #ledger: AckLedger;
  #state: WriterState = 'starting';
  #stopping = false;
  readonly #onStop = new Set<() => void>();
  #loop: Promise<void> | null = null;
  #waiters: Waiter[] = [];
  #batches = 0;
  #failures = 0;
  #lastError: string | null = null;
  readonly #durations = new DurationHistogram();

  constructor(options: TimescaleWriterOptions) {
    const { url, clock, log, source, quarantineDirectory } = options;
    this.#options = options;
    this.#source = source;
    this.#database = new Database({ url, clock, deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS });
    this.#sink = new Sink(this.#database, quarantineDirectory, log, options.onFenced ?? (() => {}));
    this.#ledger = new AckLedger(clock, (written, records) => this.#acknowledge(written, records));
  }

  /** Begins to drain; does not wait for the database. */
  async start(): Promise<void> {
    this.#loop = this.#run();
  }

  /** Finishes the batch under way within the deadline; the rest stays in the source. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const wake of this.#onStop) wake();
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(this.#options.stopDeadlineMs ?? DEFAULT_STOP_DEADLINE_MS, resolve);
    });
    await Promise.race([this.#loop, deadline]);
    cancel();
    await this.#database.close();
    await this.#loop;
    this.#state = 'stopped';
    for (const { reject } of this.#waiters.splice(0)) reject(new WriterStoppedError());
  }

  /** Resolves when all that was durable in the source before the call is in the table and visible at every interval. @throws WriterStoppedError */
  drained(): Promise<void> {
    const target = this.#source.end;
    if (compareCursors(this.#source.acked, target) >= 0) return Promise.resolve();
    if (this.#state === 'stopped') return Promise.reject(new WriterStoppedError());
    return new Promise((resolve, reject) => this.#waiters.push({ target, resolve, reject }));
  }

  stats(): WriterStats {
    return {
      ...this.#sink.stats(),
      state: this.#state,
      batches: this.#batches,
      failures: this.#failures,
      lastError: this.#lastError,
      durations: this.#durations,
    };
  }

  async #run(): Promise<void> {
    let at = this.#source.acked;
    let ahead: Promise<Loaded | null> | null = null;
    while (!this.#stopping) {
      const from: SpoolCursor = at;
      const early: Promise<Loaded | null> | null = ahead;
      ahead = null;
      const loaded = (await (early ?? this.#insist(() => this.#load(from)))) ?? null;
      if (loaded === null) {
        await this.#refresh(true);
        await this.#idle(from);
        continue;
      }
      at = loaded.batch.end;
      const next = at;
      // Read and encoded while the server works. A failure is met again, and reported, without haste.
      ahead = this.#load(next).catch(() => this.#insist(() => this.#load(next)).then((value) => value ?? null));
      const attributes = { 'db.system.name': 'postgresql', 'candlecast.records': loaded.batch.records.length };
      const { clock, tracer = noTracer } = this.#options;
      const began = clock.now();
      await tracer.span('write batch', { kind: 'client', attributes }, () => this.#write(loaded));
      this.#durations.observe(clock.now() - began);
    }
    await ahead;
  }

  async #load(from: SpoolCursor): Promise<Loaded | null> {
    const batch = await this.#source.read(from, this.#options.batchRecords ?? DEFAULT_BATCH_RECORDS);
    return batch === null ? null : { batch, prepared: await this.#sink.prepare(batch.records) };
  }

  async #write({ batch, prepared }: Loaded): Promise<void> {
    this.#state = 'writing';
    const dirty = await this.#insist(async () => {
      await this.#sink.write(prepared);
      return await this.#belowWatermark(prepared);
    });
    if (dirty === undefined) return;
    this.#batches++;
    this.#ledger.wrote(batch, batch.records.length, dirty);
    await this.#refresh(false);
  }

  async #belowWatermark({ candles }: PreparedBatch): Promise<number[]> {
    const { aggregates } = this.#options;
    if (aggregates === undefined || candles.length === 0) return [];
    const watermark = await this.#unlessStopped(aggregates.watermark());
    return candles.map(({ candle }) => candle.openTime).filter((openTime) => openTime < watermark);
  }

  async #refresh(idle: boolean): Promise<void> {
    const { aggregates } = this.#options;
    if (aggregates === undefined) return;
    for (const stretch of this.#ledger.due(idle)) {
      await this.#insist(async () => {
        await this.#unlessStopped(aggregates.refresh(stretch.from, stretch.to));
        this.#ledger.refreshed(stretch);
      });
    }
  }

  /** What is waited for, unless the writer stops first. (A race with one long-lived promise would leak a reaction each time.) */
  #unlessStopped<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(new WriterStoppedError());
      this.#onStop.add(stop);
      void work.then(resolve, reject).finally(() => this.#onStop.delete(stop));
      if (this.#stopping) stop();
    });
  }

  async #idle(at: SpoolCursor): Promise<void> {
    if (compareCursors(at, this.#source.end) < 0) return;
    this.#state = 'idle';
    await this.#unlessStopped(this.#source.appended()).catch(() => undefined);
  }

  /** Tries until it succeeds, or until the writer stops (undefined). */
  async #insist<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (let delayMs = MIN_BACKOFF_MS; ; delayMs = Math.min(delayMs * 2, MAX_BACKOFF_MS)) {
      try {
        const value = await work();
        this.#back();
        return value;
      } catch (error) {
        if (this.#stopping) return undefined;
        this.#away(error);
        await this.#pause(delayMs * (0.5 + (this.#options.random ?? Math.random)() / 2));
        if (this.#stopping) return undefined;
      }
    }
  }

  #away(error: unknown): void {
    this.#failures++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (this.#state === 'away') return;
    this.#state = 'away';
    this.#options.log.warn({ err: error }, 'cannot write candles to the database; they wait in the spool');
  }

  #back(): void {
    if (this.#state !== 'away') return;
    this.#state = 'writing';
    this.#lastError = null;
    this.#options.log.info({ failures: this.#failures }, 'the database takes candles again');
  }

  async #pause(delayMs: number): Promise<void> {
    let cancel = (): void => {};
    const time = new Promise<void>((resolve) => {
      cancel = this.#options.clock.after(delayMs, resolve);
    });
    await this.#unlessStopped(time).catch(() => undefined);
    cancel();
  }

  #acknowledge(written: Pick<SpoolBatch, 'end' | 'lastTime'>, records: number): void {
    this.#source.ack(written, records);
    const done = (waiter: Waiter): boolean => compareCursors(waiter.target, written.end) <= 0;
    const ready = this.#waiters.filter(done);
    this.#waiters = this.#waiters.filter((waiter) => !done(waiter));
    for (const { resolve } of ready) resolve();
  }
}

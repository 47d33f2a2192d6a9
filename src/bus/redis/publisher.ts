import type { Redis } from 'ioredis';
import { DurationHistogram } from '../../kit/histogram.js';
import { checkRedis, closeRedis, createRedis, type RedisClient } from '../../kit/redis.js';
import { PubSub } from '../../kit/redis-pubsub.js';
import { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import type { Service } from '../../kit/service.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../../market/event.js';
import { INTERVALS, type Interval } from '../../market/interval.js';
import type { ChannelKey, Publisher } from '../bus.js';
import { commandOf } from './commands.js';
import { Listeners } from './listeners.js';
import { Names } from './names.js';
import { type Batch, Outbox } from './outbox.js';
import type { PublisherStats, RedisPublisherOptions } from './publisher-types.js';
import { FENCED, HUSH, loadScripts, OK, runScript } from './scripts.js';
import { Sender } from './sender.js';
import { StatusOutbox } from './status-outbox.js';
import { type Taken, takeSymbols } from './take.js';
import { Trouble } from './trouble.js';
import { Windows } from './windows.js';

export type { PublisherStats, RedisPublisherOptions } from './publisher-types.js';

const TICK_MS = 1000;
const RETRY_MS = 250;
/** Every channel is compared with what is stored in about this many ticks, so that also a flushed Redis is whole again. */
const SWEEP_TICKS = 10;
const SWEEP_MIN = 256;
/** Windows that are tried at each retry while Redis refuses them. */
const PROBES = 32;
const STOP_MS = 500;

/**
 * The ingest side over Redis. `publish` puts events into the outbox of their channel; what all channels have goes out in
 * the same turn of the loop, each batch as one script that stores and publishes. Whatever goes wrong, the channel is
 * compared with what is stored, and where that is something else, gets the whole window.
 */
export class RedisPublisher implements Publisher, Service {
  readonly name = 'redis publisher';
  readonly #options: RedisPublisherOptions;
  readonly #names: Names;
  readonly #publishCommand: string;
  readonly #outboxes = new Map<string, Map<Interval, Outbox>>();
  readonly #trouble: Trouble;
  readonly #windows: Windows;
  /** From a pipeline of commands to the answers. */
  readonly durations = new DurationHistogram();
  readonly #sender: Sender;
  #client: RedisClient | null = null;
  #shards: Shards | null = null;
  #pubsub: PubSub | null = null;
  #listeners: Listeners | null = null;
  #statuses: StatusOutbox | null = null;
  #dirty = new Set<Outbox>();
  readonly #waiting = new Set<Outbox>();
  #sweep: Outbox[] = [];
  #session = 1;
  #scheduled = false;
  #answers = false;
  #stopTimers: (() => void)[] = [];
  #flushed: (() => void)[] = [];
  readonly #counts = { events: 0, messages: 0, stores: 0, fenced: 0, unowned: 0, replaced: 0 };

  constructor(options: RedisPublisherOptions) {
    this.#options = options;
    this.#names = new Names(options.url, options.prefix);
    this.#publishCommand = this.#names.cluster ? 'SPUBLISH' : 'PUBLISH';
    this.#trouble = new Trouble(options.log);
    this.#sender = new Sender(() => this.#sent(), this.durations, options.clock);
    this.#windows = new Windows(
      options.windowOf,
      (outbox, window) => this.#adopt(outbox, window),
      (outbox) => this.#waiting.add(outbox),
    );
  }

  /** @throws UserError where Redis cannot be used. */
  async start(): Promise<void> {
    const { url, prefix, clock, log } = this.#options;
    const client = createRedis(url, { name: 'candlecast-publisher', log });
    this.#client = client;
    try {
      await checkRedis(client, url, prefix);
    } catch (error) {
      closeRedis(client);
      throw error;
    }
    const shards = new Shards(
      client,
      (node) => this.#ready(node),
      () => {
        this.#answers = false;
      },
    );
    this.#shards = shards;
    const listeners = new Listeners(
      shards,
      this.#names,
      clock,
      (channel) => this.#wanted(channel),
      (channel) => this.#unwanted(channel),
    );
    this.#listeners = listeners;
    this.#statuses = new StatusOutbox(
      shards,
      this.#names,
      (symbol) => this.#epochOf(symbol),
      () => this.#checkFlushed(),
    );
    this.#pubsub = new PubSub({
      url,
      name: 'candlecast-demand',
      clock,
      log,
      shards,
      onMessage: (_channel, text) => listeners.hint(text),
      onChange: () => {},
    });
    // While it is away it is wanted all the same.
    this.#pubsub.want(this.#names.demand, false).catch(() => {});
    this.#stopTimers = [clock.every(TICK_MS, () => this.#tick()), clock.every(RETRY_MS, () => this.#retry())];
    await shards.whenUp(clock);
    await this.#poll();
  }

  /** What can be sent within half a second is. */
  async stop(): Promise<void> {
    await Promise.race([this.flush(), new Promise<void>((resolve) => this.#options.clock.after(STOP_MS, resolve))]);
    for (const stop of this.#stopTimers) stop();
    this.#pubsub?.close();
    if (this.#client) closeRedis(this.#client);
  }

  /** Redis answers and takes what it is given. */
  get up(): boolean {
    return this.#answers && (this.#shards?.up ?? false) && this.#trouble.now === null;
  }

  get stats(): PublisherStats {
    const { commands, bytes } = this.#sender;
    return { ...this.#counts, commands, bytes, failures: this.#trouble.failures };
  }

  publish(events: readonly MarketEvent[]): void {
    for (const event of events) {
      const outbox = this.#outboxes.get(event.symbol)?.get(event.interval);
      if (outbox === undefined) {
        this.#counts.unowned++;
        continue;
      }
      outbox.add(event);
      this.#mark(outbox);
    }
  }

  publishStatus(changed: readonly SymbolStatus[]): void {
    this.#statuses?.set(changed);
  }

  wants(symbol: string, interval: Interval): boolean {
    return this.#listeners?.has(symbol, interval) ?? false;
  }

  /**
   * From now on no older epoch can store or publish on any channel of these symbols.
   * @param first the first epoch of the database: what an older one published is forgotten.
   * @returns what the writer before published, per symbol. Rejects when Redis is away or a newer epoch owns one.
   */
  async take(epoch: number, symbols: readonly string[], first = 0): Promise<readonly Taken[]> {
    if (this.#shards === null) throw new Error('not started');
    return takeSymbols(this.#shards, this.#names, epoch, symbols, first);
  }

  /** From now on what is stored of these symbols is kept equal to their windows. */
  own(symbols: readonly string[]): void {
    for (const symbol of symbols) {
      if (this.#outboxes.has(symbol)) continue;
      const channels = new Map<Interval, Outbox>();
      for (const interval of INTERVALS) {
        const names = this.#names.of(symbol, interval);
        channels.set(interval, new Outbox(symbol, interval, names, slotOf(names.window)));
      }
      this.#outboxes.set(symbol, channels);
      for (const outbox of channels.values()) this.#load(outbox);
    }
  }

  forget(symbols: readonly string[]): void {
    for (const symbol of symbols) {
      for (const outbox of this.#outboxes.get(symbol)?.values() ?? []) {
        this.#dirty.delete(outbox);
        this.#waiting.delete(outbox);
        this.#windows.forget(outbox);
        this.#counts.replaced += outbox.replaced;
      }
      this.#outboxes.delete(symbol);
      this.#statuses?.forget(symbol);
    }
  }

  /** Resolves when everything is out, or cannot be sent now. */
  async flush(): Promise<void> {
    if (this.#isIdle()) return;
    await new Promise<void>((resolve) => this.#flushed.push(resolve));
  }

  #isIdle(): boolean {
    if (this.#shards?.up !== true) return true;
    const isSent = this.#dirty.size === 0 && this.#sender.isIdle && (this.#statuses?.isIdle ?? true);
    return isSent && (this.#windows.isIdle || this.#windows.allowed === 0);
  }

  #checkFlushed(): void {
    if (this.#flushed.length === 0 || !this.#isIdle()) return;
    for (const resolve of this.#flushed.splice(0)) resolve();
  }

  #epochOf(symbol: string): number {
    return this.#outboxes.get(symbol)?.get('1m')?.epoch ?? 0;
  }

  #isOwned(outbox: Outbox): boolean {
    return this.#outboxes.get(outbox.symbol)?.get(outbox.interval) === outbox;
  }

  #mark(outbox: Outbox): void {
    this.#dirty.add(outbox);
    this.#schedule();
  }

  /** Everything that one turn of the loop brings leaves together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendDirty();
    });
  }

  #sendDirty(): void {
    for (const outbox of this.#dirty) {
      if (!this.#sender.hasRoom) break;
      this.#dirty.delete(outbox);
      this.#sendOne(outbox);
    }
    this.#sender.flush();
    this.#checkFlushed();
  }

  #sendOne(outbox: Outbox): void {
    const node = this.#shards?.of(outbox.slot) ?? null;
    if (node === null) {
      this.#waiting.add(outbox);
      return;
    }
    for (const batch of outbox.next(this.#session)) this.#send(node, outbox, batch);
    if (outbox.needsWindow) this.#load(outbox);
  }

  #send(node: Redis, outbox: Outbox, batch: Batch): void {
    const command = commandOf(batch, outbox, this.#session, this.#publishCommand);
    this.#sender.add(node, outbox.names, command, (outcome) => {
      if (!this.#isOwned(outbox)) return;
      if ('error' in outcome) this.#failed(outbox, batch, outcome.error);
      else if (outcome.code === OK) this.#arrived(outbox, batch);
      else if (outcome.code === FENCED) this.#fenced(outbox);
      else if (!batch.abandoned) {
        outbox.mismatched(batch);
        this.#load(outbox);
      }
    });
  }

  #arrived(outbox: Outbox, batch: Batch): void {
    if (!batch.abandoned) outbox.arrived(batch);
    if (batch.kind === 'claim') return;
    this.#trouble.over();
    this.#windows.allowed = Number.POSITIVE_INFINITY;
    this.#counts.messages++;
    this.#counts.events += batch.events.length;
    if (batch.kind === 'store') this.#counts.stores++;
  }

  #failed(outbox: Outbox, batch: Batch, error: Error): void {
    const kind = this.#trouble.failed(error);
    if (kind === 'cluster') this.#shards?.refresh();
    outbox.failed(batch);
    if (kind === 'script') this.#mark(outbox);
    else this.#waiting.add(outbox);
    if (this.#trouble.now !== null) this.#windows.allowed = 0;
  }

  #fenced(outbox: Outbox): void {
    const { symbol, epoch } = outbox;
    this.#counts.fenced++;
    this.#options.log.warn({ symbol, interval: outbox.interval, epoch }, 'another writer owns the symbol');
    this.forget([symbol]);
    this.#options.onFenced(symbol, epoch);
  }

  #load(outbox: Outbox): void {
    this.#windows.want(outbox, this.wants(outbox.symbol, outbox.interval));
  }

  #adopt(outbox: Outbox, window: HotWindow): void {
    if (!this.#isOwned(outbox)) return;
    const isNew = window.epoch > outbox.epoch;
    const node = this.#shards?.of(outbox.slot) ?? null;
    if (node === null && outbox.needsWindow) {
      this.#waiting.add(outbox);
      return;
    }
    const batch = outbox.adopt(window, this.#session, this.wants(outbox.symbol, outbox.interval));
    if (isNew && outbox.interval === '1m') this.#statuses?.resend(outbox.symbol);
    if (batch !== null && node !== null) this.#send(node, outbox, batch);
    this.#mark(outbox);
  }

  #sent(): void {
    if (this.#dirty.size > 0) this.#schedule();
    this.#checkFlushed();
  }

  /** A new connection: what went over the one before may be lost, and may still come late. */
  #ready(node: Redis): void {
    this.#session++;
    // Commands that follow on this connection find the scripts.
    loadScripts(node).catch((error: Error) => this.#trouble.failed(error));
    this.#listeners?.reconnected();
    for (const channels of this.#outboxes.values()) {
      for (const outbox of channels.values()) {
        outbox.recheck();
        if (this.wants(outbox.symbol, outbox.interval)) this.#mark(outbox);
      }
    }
    for (const channels of this.#outboxes.values()) for (const outbox of channels.values()) this.#mark(outbox);
    this.#statuses?.resendAll();
    void this.#poll();
  }

  #wanted({ symbol, interval }: ChannelKey): void {
    const outbox = this.#outboxes.get(symbol)?.get(interval);
    if (outbox === undefined) return;
    outbox.recheck();
    this.#windows.want(outbox, true);
  }

  #unwanted({ symbol, interval }: ChannelKey): void {
    const outbox = this.#outboxes.get(symbol)?.get(interval);
    const node = outbox === undefined ? null : (this.#shards?.of(outbox.slot) ?? null);
    if (outbox === undefined || node === null) return;
    const { window, state, open } = outbox.names;
    // An open candle that stays is one that is old when somebody listens again, and is replaced at once.
    runScript(node, HUSH, [window, state, open], [String(outbox.epoch)]).catch(() => {});
  }

  #tick(): void {
    void this.#poll();
    void this.#shards?.probe(this.#options.prefix);
    if (this.#sweep.length === 0) this.#sweep = [...this.#outboxes.values()].flatMap((one) => [...one.values()]);
    const count = Math.max(SWEEP_MIN, Math.ceil((this.#outboxes.size * INTERVALS.length) / SWEEP_TICKS));
    for (const outbox of this.#sweep.splice(0, count)) {
      if (!this.#isOwned(outbox) || !outbox.isIdle) continue;
      outbox.recheck();
      this.#mark(outbox);
    }
  }

  #retry(): void {
    if (this.#shards?.up !== true) {
      this.#checkFlushed();
      return;
    }
    if (this.#windows.allowed !== Number.POSITIVE_INFINITY) this.#windows.allowed = PROBES;
    for (const outbox of this.#waiting) this.#mark(outbox);
    this.#waiting.clear();
    this.#windows.run();
    this.#statuses?.retry();
  }

  async #poll(): Promise<void> {
    try {
      await this.#listeners?.poll();
      this.#answers = true;
    } catch {
      this.#answers = false;
    }
  }
}

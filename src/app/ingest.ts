import type { TradeOutcome } from '../candles/book.js';
import { type FeedShare, feedSymbols } from '../feed/create.js';
import type { Feed } from '../feed/feed.js';
import type { PushFeed } from '../feed/push/push.js';
import type { FeedSpec } from '../feed/spec.js';
import type { HotWindow, MarketEvent, SymbolStatus } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import { StageLag } from '../market/stage-lag.js';
import type { Database } from '../store/timescale/database.js';
import { type IngestLags, Partition, type PartitionDeps, type PartitionPlan } from './partition.js';
import { Quarantined } from './quarantined.js';
import { storedSymbols } from './store.js';

export type WhyClosed = 'lost' | 'handover' | 'stopping';

/** The symbols of FEEDS that are not named there have this source. */
export const PUSH_SOURCE = 'push';

/** The partitions that this process owns at present. */
export class Ingest {
  /** How late live trades came, and candles left. */
  readonly lags: IngestLags = { trade: new StageLag(), candle: new StageLag() };
  readonly #deps: PartitionDeps;
  readonly #plans: ReadonlyMap<string, PartitionPlan>;
  readonly #owned = new Map<string, Partition>();
  /** Of partitions that are not owned any more. */
  readonly #past = { trades: noTrades(), published: nothingPublished(), quarantined: new Quarantined() };

  constructor(deps: Omit<PartitionDeps, 'lags'>, plans: readonly PartitionPlan[]) {
    this.#deps = { ...deps, lags: this.lags };
    this.#plans = new Map(plans.map((plan) => [plan.name, plan]));
  }

  get partitions(): readonly string[] {
    return [...this.#plans.keys()];
  }

  /** Brings a partition to where live data begins; the caller starts it. */
  async open(name: string): Promise<Partition> {
    const partition = await this.#open(name);
    this.#owned.set(name, partition);
    return partition;
  }

  /** Opens and goes live. Rejects as soon as `signal` says that the partition is not ours any more. */
  async take(name: string, signal: AbortSignal): Promise<void> {
    const opening = this.#open(name);
    const partition = await unlessAborted(opening, signal, (late) => late.close('lost'));
    this.#owned.set(name, partition);
    try {
      await partition.start();
    } catch (error) {
      await this.drop(name, 'lost');
      throw error;
    }
  }

  #open(name: string): Promise<Partition> {
    const plan = this.#plans.get(name);
    if (plan === undefined) throw new Error(`no partition ${name}`);
    return Partition.open(this.#deps, plan);
  }

  async drop(name: string, why: WhyClosed): Promise<void> {
    const partition = this.#owned.get(name);
    if (partition === undefined) return;
    this.#owned.delete(name);
    await partition.close(why);
    add(this.#past.trades, tradesOf(partition));
    add(this.#past.published, partition.pipeline.published);
    this.#past.quarantined.add(partition.feeds.all);
  }

  /** The partition that an epoch stands for; null when it is not owned any more. */
  ofEpoch(epoch: number): string | null {
    for (const { name, epoch: own } of this.#owned.values()) if (own === epoch) return name;
    return null;
  }

  /** The published state of a symbol that is owned here; null for all others. */
  async window(symbol: string, interval: Interval): Promise<HotWindow | null> {
    for (const partition of this.#owned.values()) if (partition.has(symbol)) return partition.window(symbol, interval);
    return null;
  }

  get feeds(): Feed[] {
    return [...this.#owned.values()].flatMap(({ feeds }) => [...feeds.all]);
  }

  get push(): PushFeed | null {
    for (const { feeds } of this.#owned.values()) if (feeds.push !== null) return feeds.push;
    return null;
  }

  get trades(): Readonly<TradeCounts> {
    const sum = { ...this.#past.trades };
    for (const partition of this.#owned.values()) add(sum, tradesOf(partition));
    return sum;
  }

  get published(): Readonly<Record<MarketEvent['kind'], number>> {
    const sum = { ...this.#past.published };
    for (const { pipeline } of this.#owned.values()) add(sum, pipeline.published);
    return sum;
  }

  /** Of the symbols that are owned here. */
  *statuses(): Iterable<SymbolStatus> {
    for (const partition of this.#owned.values()) yield* partition.statuses;
  }

  /** Trades that were not folded: source of the feed, reason, how many. */
  get quarantined(): readonly (readonly [source: string, reason: string, count: number])[] {
    const all = new Quarantined(this.#past.quarantined);
    all.add(this.feeds);
    return all.entries();
  }

  get pendingEvents(): number {
    let sum = 0;
    for (const { pipeline } of this.#owned.values()) sum += pipeline.pendingEvents;
    return sum;
  }

  /** Closed candles wait because the disk takes nothing. */
  get diskFails(): boolean {
    return [...this.#owned.values()].some(({ pipeline }) => pipeline.failedAppends > 0);
  }
}

/** One partition of everything, for a process that shares with nobody. */
export function wholePlan(name: string, specs: readonly FeedSpec[], database: Database): PartitionPlan {
  const named = [...feedSymbols(specs).keys()];
  const push = specs.some(({ kind }) => kind === 'push');
  return {
    name,
    share: { has: () => true, push },
    symbols: async () => [...named, ...(push ? await pushedSymbols(database) : [])],
  };
}

/** The partitions of FEEDS: `partitionOf` tells that of a named symbol; what is pushed is one partition. */
export function sharedPlans(
  specs: readonly FeedSpec[],
  partitionOf: (symbol: string) => string,
  pushName: string,
  database: Database,
): PartitionPlan[] {
  const symbols = new Map<string, string[]>();
  for (const symbol of feedSymbols(specs).keys()) {
    const name = partitionOf(symbol);
    symbols.set(name, [...(symbols.get(name) ?? []), symbol]);
  }
  const plans = [...symbols].map(([name, own]) =>
    plan(name, { has: (s) => own.includes(s), push: false }, async () => own),
  );
  if (specs.some(({ kind }) => kind === 'push'))
    plans.push(plan(pushName, { has: () => false, push: true }, () => pushedSymbols(database)));
  return plans;
}

function plan(name: string, share: FeedShare, symbols: () => Promise<readonly string[]>): PartitionPlan {
  return { name, share, symbols };
}

async function pushedSymbols(database: Database): Promise<string[]> {
  const stored = await storedSymbols(database);
  return stored.filter(({ source }) => source === PUSH_SOURCE).map(({ symbol }) => symbol);
}

/** What comes after all is let go of. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal, letGo: (late: T) => Promise<void>): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      work.then(letGo).catch(() => {});
    };
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** `not_wanted`: its feed began after it. */
type TradeCounts = Record<TradeOutcome | 'not_wanted', number>;

function noTrades(): TradeCounts {
  return { applied: 0, duplicate: 0, corrected: 0, too_late: 0, too_early: 0, overflow: 0, not_wanted: 0 };
}

/** Those that its feeds passed over among them. */
function tradesOf({ pipeline, feeds }: Pick<Partition, 'pipeline' | 'feeds'>): TradeCounts {
  const sum = noTrades();
  add(sum, { ...pipeline.trades, not_wanted: 0 });
  for (const { passedOver } of feeds.all) if (passedOver) add(sum, { ...noTrades(), ...passedOver });
  return sum;
}

function nothingPublished(): Record<MarketEvent['kind'], number> {
  return { update: 0, closed: 0, gap: 0 };
}

function add<K extends string>(sum: Record<K, number>, more: Readonly<Record<K, number>>): void {
  for (const key of Object.keys(more) as K[]) sum[key] += more[key];
}

import type { AnalyticsDatabase } from '../analytics/database.js';
import { Filler } from '../analytics/filler.js';
import { Reconciler } from '../analytics/reconciler.js';
import type { Aggregates, DaySource } from '../analytics/source.js';
import type { Clock } from '../kit/clock.js';
import type { Service } from '../kit/service.js';
import { oldestMinute, refreshRange } from '../store/refresh.js';
import { compareAggregates, readWatermarks } from '../store/timescale/compare.js';
import { changedDays, daySpan, readDays, settleChangedDay, symbolsAfter } from '../store/timescale/daily.js';
import type { Database } from '../store/timescale/database.js';
import type { Around } from './around.js';

/** How far the aggregates are materialised only grows. */
const WATERMARKS_MS = 60_000;

/** The filler and the reconciler, for as long as this node is the one that has them. */
export class Keeper implements Service {
  readonly name = 'analytics keeper';
  filler: Filler;
  reconciler: Reconciler;
  readonly #make: () => [Filler, Reconciler];

  constructor({ config, clock, log }: Around, store: Database, database: AnalyticsDatabase) {
    this.#make = () => {
      const source = daysOf(store);
      const filler = new Filler({ source, database, graceMs: config.graceMs, clock, log });
      const filled = () => filler.filledUntil !== null;
      const aggregates = aggregatesOf(store, clock);
      return [filler, new Reconciler({ source, aggregates, database, filled, clock, log })];
    };
    [this.filler, this.reconciler] = this.#make();
  }

  async start(): Promise<void> {
    await this.filler.start();
    await this.reconciler.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.filler.stop(), this.reconciler.stop()]);
  }

  /** Stopped ones do not start again. */
  renew(): void {
    [this.filler, this.reconciler] = this.#make();
  }
}

export function daysOf(store: Database): DaySource {
  return {
    symbols: (after, limit) => store.run((sql) => symbolsAfter(sql, after, limit)),
    span: (symbol) => store.run((sql) => daySpan(sql, symbol)),
    days: (symbols, from, to, limit) => store.run((sql) => readDays(sql, symbols, from, to, limit)),
    changed: (before, limit) => store.run((sql) => changedDays(sql, before, limit)),
    settle: (day) => store.run((sql) => settleChangedDay(sql, day)),
  };
}

export function aggregatesOf(store: Database, clock: Clock): Aggregates {
  let watermarks: ReadonlyMap<string, number> = new Map();
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    compare: async (which, symbol, from, to) => {
      if (clock.now() - readAt > WATERMARKS_MS) {
        watermarks = await store.run(readWatermarks);
        readAt = clock.now();
      }
      const found = await store.run((sql) => compareAggregates(sql, which, symbol, from, to, watermarks));
      if (found.length === 0 || which !== 'short') return found;
      // Minutes that retention has dropped are no reason to doubt what was made of them.
      const oldest = await store.run(oldestMinute);
      return found.filter(({ openTime }) => openTime >= oldest);
    },
    refresh: (from, to) => store.run((sql) => refreshRange(sql, from, to, { force: true })),
  };
}

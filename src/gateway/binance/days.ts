import type { Hub } from '../hub.js';
import type { Outlet } from '../topic.js';
import { Day } from './day.js';
import { FormTopics, type MomentSource } from './form-topic.js';
import { Leased } from './leased.js';

/** What was asked for over HTTP is likely to be asked for again. */
const LINGER_MS = 60_000;
const ALL_MINI = '!miniTicker@arr';

/** The last 24 hours of the symbols somebody asked for, and of all of them together. */
export class Days extends Leased implements MomentSource {
  readonly position = null;
  readonly topics: FormTopics;
  readonly #bySymbol = new Map<string, Day>();
  /** Those that the streams of all symbols hold. */
  readonly #held = new Map<string, Day>();

  constructor(
    readonly hub: Hub,
    readonly symbols: () => readonly string[],
    outlet: Outlet,
  ) {
    super(hub.clock);
    this.topics = new FormTopics(this, outlet);
  }

  get stale(): boolean {
    return this.hub.status.stale;
  }

  get(symbol: string): Day {
    const known = this.#bySymbol.get(symbol);
    if (known) {
      known.touch();
      return known;
    }
    const day = new Day(this.hub.candles(symbol, '1m'));
    this.#bySymbol.set(symbol, day);
    day.whenLive().catch(() => this.#drop(day));
    return day;
  }

  since(name: string): readonly string[] {
    return this.#of(name, [...this.#held.values()]);
  }

  /** Tells what has changed since the last call; once a second, as at Binance. */
  tick(): void {
    this.#hold();
    const changed = [...this.#bySymbol.values()].filter((day) => day.changed);
    for (const day of changed) this.#tell(day);
    for (const name of [ALL_MINI, '!ticker@arr']) {
      if (!this.topics.wants(name)) continue;
      const [data] = this.#of(name, changed);
      if (data !== undefined) this.topics.say(name, data);
    }
    for (const day of changed) day.changed = false;
  }

  sweep(nowMs: number): void {
    for (const day of this.#bySymbol.values()) if (day.isIdle(nowMs, LINGER_MS)) this.#drop(day);
  }

  #tell(day: Day): void {
    const lower = day.channel.symbol.toLowerCase();
    for (const name of [`${lower}@ticker`, `${lower}@miniTicker`]) {
      if (!day.topics.wants(name)) continue;
      const stats = day.stats();
      if (stats !== null) day.topics.say(name, day.data(name, stats));
    }
  }

  /** Every symbol that is fed, for as long as somebody wants all of them. */
  #hold(): void {
    if (this.refs === 0) {
      for (const day of this.#held.values()) day.release();
      this.#held.clear();
      return;
    }
    for (const symbol of this.symbols()) {
      const held = this.#held.get(symbol);
      if (held !== undefined && this.#bySymbol.get(symbol) === held) continue;
      const day = this.get(symbol);
      day.retain();
      this.#held.set(symbol, day);
    }
  }

  #of(name: string, days: readonly Day[]): readonly string[] {
    const form = name === ALL_MINI ? '@miniTicker' : '@ticker';
    const told = days.flatMap((day) => {
      const stats = day.stats();
      return stats === null ? [] : [day.data(form, stats)];
    });
    return told.length === 0 ? [] : [`[${told.join(',')}]`];
  }

  #drop(day: Day): void {
    const { symbol } = day.channel;
    if (this.#bySymbol.get(symbol) === day) this.#bySymbol.delete(symbol);
    day.drop();
  }
}

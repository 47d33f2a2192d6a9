import type { Subscriber } from '../bus/bus.js';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { SymbolStatus } from '../market/event.js';

const LOOK_MS = 500;

/**
 * The statuses of the bus, in which a symbol that nobody makes at the moment is stale: its writer is dead, and what it
 * said last stands in the bus for ever.
 */
export class WatchedStatuses implements Service {
  readonly name = 'statuses';
  readonly #bus: Pick<Subscriber, 'statuses' | 'onStatus'>;
  readonly #isMade: (status: SymbolStatus) => boolean;
  readonly #clock: Clock;
  readonly #log: Log;
  /** Symbols without a writer, since when (epoch ms). */
  readonly #orphans = new Map<string, number>();
  #stopTimer: () => void = () => {};
  readonly #listeners = new Set<(changed: readonly SymbolStatus[]) => void>();

  constructor(
    bus: Pick<Subscriber, 'statuses' | 'onStatus'>,
    isMade: (status: SymbolStatus) => boolean,
    clock: Clock,
    log: Log,
  ) {
    this.#bus = bus;
    this.#isMade = isMade;
    this.#clock = clock;
    this.#log = log;
    bus.onStatus((changed) => this.#tell(changed));
  }

  async start(): Promise<void> {
    this.#stopTimer = this.#clock.every(LOOK_MS, () => this.look());
  }

  async stop(): Promise<void> {
    this.#stopTimer();
  }

  /** Compares once; a timer does that. */
  look(): void {
    const changed: SymbolStatus[] = [];
    for (const status of this.#bus.statuses()) {
      const isOrphan = status.state !== 'ended' && !this.#isMade(status);
      if (isOrphan === this.#orphans.has(status.symbol)) continue;
      if (isOrphan) this.#orphans.set(status.symbol, this.#clock.now());
      else this.#orphans.delete(status.symbol);
      changed.push(status);
    }
    if (changed.length === 0) return;
    this.#log.info({ symbols: changed.length, without: this.#orphans.size }, 'symbols have lost or found their writer');
    this.#tell(changed);
  }

  statuses(): readonly SymbolStatus[] {
    return this.#bus.statuses().map((status) => this.#seen(status));
  }

  onStatus(listener: (changed: readonly SymbolStatus[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #tell(changed: readonly SymbolStatus[]): void {
    const seen = changed.map((status) => this.#seen(status));
    for (const listener of this.#listeners) listener(seen);
  }

  #seen(status: SymbolStatus): SymbolStatus {
    const since = this.#orphans.get(status.symbol);
    return since === undefined ? status : { ...status, state: 'stale', since };
  }
}

import type { Publisher, Subscriber } from '../bus/bus.js';
import { LocalBus } from '../bus/local.js';
import type { HotWindow } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Published } from './takeover.js';

/** The ingest side of the bus, with what changing owners need. */
export interface IngestBus extends Publisher {
  /**
   * From now on only this epoch may publish these symbols. @returns what the writer before published, unless its epoch is before `first`:
   * then it wrote to a database that this one has replaced. Rejects while the bus is away.
   */
  take(epoch: number, symbols: readonly string[], first: number): Promise<readonly Published[]>;
  /** Makes the bus hold the published state of these symbols, also after it was away. */
  own(symbols: readonly string[]): void;
  forget(symbols: readonly string[]): void;
  /** Resolves when what was published is out, or cannot be sent now. */
  flush(): Promise<void>;
}

export type WindowOf = (symbol: string, interval: Interval) => Promise<HotWindow | null>;

/** One process is its own bus: publisher and subscriber are the same object. */
export function localBus(windowOf: WindowOf): { publisher: IngestBus; subscriber: Subscriber } {
  const bus = new LocalBus(windowOf);
  const publisher: IngestBus = {
    publish: (events) => bus.publish(events),
    publishStatus: (changed) => bus.publishStatus(changed),
    wants: (symbol, interval) => bus.wants(symbol, interval),
    take: async () => [],
    own: () => {},
    forget: () => {},
    flush: async () => {},
  };
  return { publisher, subscriber: bus };
}

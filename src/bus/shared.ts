import type { Interval } from '../market/interval.js';
import type { Subscriber } from './bus.js';
import { Demand } from './demand.js';

/** One subscriber for several parts of a process, each with channels of its own: the last of them to leave a channel ends it. */
export class SharedSubscriber {
  readonly #subscriber: Subscriber;
  readonly #views: Demand[] = [];

  constructor(subscriber: Subscriber) {
    this.#subscriber = subscriber;
  }

  /** For one part. Its listeners are also given events that only another part has asked for. */
  view(): Subscriber {
    const shared = this.#subscriber;
    const own = new Demand();
    this.#views.push(own);
    const leave = (symbol: string, interval: Interval): void => {
      own.remove(symbol, interval);
      if (!this.#views.some((view) => view.has(symbol, interval))) shared.unsubscribe(symbol, interval);
    };
    return {
      async subscribe(symbol, interval) {
        const isNew = !own.has(symbol, interval);
        own.add(symbol, interval);
        try {
          await shared.subscribe(symbol, interval);
        } catch (error) {
          if (isNew) leave(symbol, interval);
          throw error;
        }
      },
      unsubscribe: leave,
      onEvents: (listener) => shared.onEvents(listener),
      window: (symbol, interval) => shared.window(symbol, interval),
      positions: (channels) => shared.positions(channels),
      onStatus: (listener) => shared.onStatus(listener),
      statuses: () => shared.statuses(),
      get up() {
        return shared.up;
      },
      onUp: (listener) => shared.onUp(listener),
    };
  }
}

import type { CandlecastError } from './errors.js';
import type { Channel, Hub, Live, Slot } from './hub.js';
import type { Message } from './outbox.js';
import type { Outlet } from './outlets.js';
import type { StatusItem, SymbolStatus } from './types.js';

export const STATUS = 'status';

/** Health of every symbol's feed; who comes later gets what is known at once. */
export class StatusChannel implements Channel {
  readonly isKnown = true;
  readonly #outlets = new Set<Outlet<StatusItem>>();
  readonly #known = new Map<string, StatusItem>();
  readonly #slot: Slot;
  readonly #onEmpty: () => void;

  constructor(hub: Hub, onEmpty: () => void) {
    this.#slot = hub.open(STATUS, this);
    this.#onEmpty = onEmpty;
  }

  join(outlet: Outlet<StatusItem>): void {
    this.#outlets.add(outlet);
    if (this.#outlets.size === 1) this.#slot.ask();
    else outlet.push([...this.#known.values()]);
  }

  leave(outlet: Outlet<StatusItem>): void {
    if (!this.#outlets.delete(outlet) || this.#outlets.size > 0) return;
    this.#slot.leave();
    this.#onEmpty();
  }

  item(): Message {
    return {};
  }

  subscribed(): void {}

  live(message: Live): void {
    if (message.type !== 'status') return;
    const items = message.symbols.map((status): StatusItem => ({ type: 'status', ...status }));
    const news = items.filter((item) => !isEqual(item, this.#known.get(item.symbol)));
    for (const item of news) this.#known.set(item.symbol, item);
    for (const outlet of this.#outlets) outlet.push(news);
  }

  failed(error: CandlecastError): void {
    for (const outlet of [...this.#outlets]) {
      outlet.end(error);
      this.leave(outlet);
    }
  }
}

/** A new connection tells everything again. */
function isEqual(a: SymbolStatus, b: SymbolStatus | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

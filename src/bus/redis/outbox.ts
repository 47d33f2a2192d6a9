import type { HotWindow, MarketEvent } from '../../market/event.js';
import type { Interval } from '../../market/interval.js';
import type { ChannelNames } from './names.js';

/** One command on its way, with the events that are lost with it. */
export interface Batch {
  readonly kind: 'claim' | 'publish' | 'store';
  readonly events: readonly MarketEvent[];
  /** Where the channel stands before and after. */
  readonly prev: number;
  readonly seq: number;
  readonly window: HotWindow | null;
  /** Its outcome does not matter any more: what it carried was taken back. */
  abandoned: boolean;
}

/** Events that wait; more are let go of, and the whole window is stored instead. */
const PENDING_EVENTS = 64;

/**
 * What one (symbol, interval) has yet to send, and where it stands in Redis. Pure: it says what to send, somebody else
 * sends it and tells how it went.
 */
export class Outbox {
  epoch = 0;
  /** Where the channel stands once everything that was sent has arrived; -1: not known. */
  seq = -1;
  /** What is in Redis cannot be built upon: nothing but a window may be sent. */
  needsWindow = true;
  /** Open time of the open candle that was sent last; deletes of it are for closed candles from there on. */
  openTime = Number.NEGATIVE_INFINITY;
  /** Updates that a newer one replaced before they were sent. */
  replaced = 0;
  /** The session it was claimed in; 0: none. */
  #session = 0;
  /** A claim failed: what is there differs from the window. */
  #differs = false;
  #pending: MarketEvent[] = [];
  #inFlight: Batch[] = [];

  constructor(
    readonly symbol: string,
    readonly interval: Interval,
    readonly names: ChannelNames,
    readonly slot: number,
  ) {}

  get isIdle(): boolean {
    return this.#pending.length === 0 && this.#inFlight.length === 0;
  }

  /** Has something to send that needs no window. */
  get isReady(): boolean {
    return !this.needsWindow && (this.#pending.length > 0 || this.#session === 0);
  }

  add(event: MarketEvent): void {
    if (event.epoch < this.epoch) return;
    if (event.epoch > this.epoch) this.#newEpoch(event.epoch);
    const last = this.#pending.length - 1;
    if (event.kind === 'update' && this.#pending[last]?.kind === 'update') {
      this.#pending[last] = event;
      this.replaced++;
      return;
    }
    this.#pending.push(event);
    this.#bound();
  }

  /** What is stored shall be compared before anything else is sent. */
  recheck(): void {
    this.#session = 0;
  }

  /** The next commands, in order; `session` is that of the connection they go over. */
  next(session: number): Batch[] {
    if (this.needsWindow) return [];
    const batches: Batch[] = [];
    const events = this.#joined();
    if (this.needsWindow) return [];
    if (this.#session !== session) {
      this.#session = session;
      batches.push(this.#batch('claim', [], this.seq, this.seq, null));
    }
    const last = events?.at(-1);
    if (events !== null && last !== undefined) {
      batches.push(this.#batch('publish', events, this.seq, last.seq, null));
      this.seq = last.seq;
      this.#pending = [];
    }
    this.#inFlight.push(...batches);
    return batches;
  }

  /**
   * Takes in the published state. `open`: whether its open candle is wanted.
   * @returns the command that stores it, or null where what is stored is compared first, with `next`.
   */
  adopt(window: HotWindow, session: number, open: boolean): Batch | null {
    if (window.epoch < this.epoch) return null;
    if (window.epoch > this.epoch) this.#newEpoch(window.epoch);
    if (!this.needsWindow) {
      if (open) this.#addOpen(window);
      return null;
    }
    this.needsWindow = false;
    this.seq = window.seq;
    const covered = this.#pending.filter(({ seq }) => seq <= window.seq);
    this.#pending = this.#pending.filter(({ seq }) => seq > window.seq);
    if (!this.#differs && covered.length === 0) {
      this.#session = 0;
      if (open) this.#addOpen(window);
      return null;
    }
    this.#session = session;
    const events = open ? withOpen(covered, window) : covered;
    const batch = this.#batch('store', events, window.seq, window.seq, window);
    this.#inFlight.push(batch);
    return batch;
  }

  arrived(batch: Batch): void {
    this.#inFlight = this.#inFlight.filter((one) => one !== batch);
    if (batch.kind === 'store') this.#differs = false;
  }

  /** What is stored is something else than the command built upon. */
  mismatched(batch: Batch): void {
    this.failed(batch);
    this.needsWindow = true;
    this.#differs = true;
  }

  /** It may have arrived or not: everything since is taken back, and what is stored is compared. */
  failed(batch: Batch): void {
    if (batch.abandoned) return;
    const lost = this.#inFlight;
    this.#inFlight = [];
    for (const one of lost) one.abandoned = true;
    if (lost.some(({ kind }) => kind === 'store')) {
      this.needsWindow = true;
      this.#differs = true;
    }
    this.seq = lost[0]?.prev ?? this.seq;
    this.#session = 0;
    this.#pending = withoutReplaced([...lost.flatMap(({ events }) => events), ...this.#pending]);
    this.#bound();
  }

  #newEpoch(epoch: number): void {
    this.epoch = epoch;
    this.needsWindow = true;
    this.#pending = [];
    for (const batch of this.#inFlight) batch.abandoned = true;
    this.#inFlight = [];
  }

  #bound(): void {
    if (this.#pending.length <= PENDING_EVENTS) return;
    this.#pending = [];
    this.needsWindow = true;
    this.#differs = true;
  }

  #addOpen(window: HotWindow): void {
    const { symbol, interval } = this;
    const at = this.#pending.at(-1)?.seq ?? this.seq;
    if (window.open === null || window.seq !== at) return;
    this.add({ kind: 'update', symbol, interval, epoch: window.epoch, seq: window.seq, candle: window.open });
  }

  /** The pending events, where they join on to what was sent; null: none. */
  #joined(): readonly MarketEvent[] | null {
    this.#pending = this.#pending.filter((e) => (e.kind === 'update' ? e.seq >= this.seq : e.seq > this.seq));
    let at = this.seq;
    for (const event of this.#pending) {
      if ((event.kind === 'update' ? event.seq : event.prev) !== at) {
        this.needsWindow = true;
        return null;
      }
      at = event.seq;
    }
    return this.#pending.length === 0 ? null : this.#pending;
  }

  #batch(
    kind: Batch['kind'],
    events: readonly MarketEvent[],
    prev: number,
    seq: number,
    window: HotWindow | null,
  ): Batch {
    return { kind, events, prev, seq, window, abandoned: false };
  }
}

function withOpen(events: readonly MarketEvent[], window: HotWindow): readonly MarketEvent[] {
  const { epoch, seq, open } = window;
  if (open === null) return events;
  const { symbol, interval } = open;
  return withoutReplaced([...events, { kind: 'update', symbol, interval, epoch, seq, candle: open }]);
}

function withoutReplaced(events: readonly MarketEvent[]): MarketEvent[] {
  return events.filter((event, i) => event.kind !== 'update' || events[i + 1]?.kind !== 'update');
}

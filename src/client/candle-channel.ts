import type { CandleConsumer } from './candle-consumer.js';
import type { CandlecastError } from './errors.js';
import type { Channel, Hub, Live, Slot, Subscribed } from './hub.js';
import type { Message } from './outbox.js';
import type { Position } from './types.js';

interface Round {
  readonly of: readonly CandleConsumer[];
  readonly asked: Position | null;
  readonly snapshot: number;
}

const NOBODY: Round = { of: [], asked: null, snapshot: 0 };

/**
 * One channel of the connection and its readers. Each reader stands somewhere; who joins is answered alone, from its own position,
 * and after it all together, from the position of whoever is furthest behind. So nobody misses anything, whenever others come.
 */
export class CandleChannel implements Channel {
  readonly #consumers = new Set<CandleConsumer>();
  readonly #slot: Slot;
  readonly #onEmpty: () => void;
  #round = NOBODY;
  /** Of all that are joined; null: not live. */
  #position: Position | null = null;

  constructor(name: string, hub: Hub, onEmpty: () => void) {
    this.#slot = hub.open(name, this);
    this.#onEmpty = onEmpty;
  }

  get isKnown(): boolean {
    return [...this.#consumers].some(({ position }) => position !== null);
  }

  join(consumer: CandleConsumer): void {
    this.#consumers.add(consumer);
    this.#slot.ask();
  }

  /** Its reader has got behind, or has caught up. */
  pauses(isPaused: boolean): void {
    if (!isPaused) this.#slot.ask();
    else if (this.#active().length === 0) this.#slot.rest();
  }

  leave(consumer: CandleConsumer): void {
    if (!this.#consumers.delete(consumer)) return;
    if (this.#consumers.size > 0) {
      if (this.#active().length === 0) this.#slot.rest();
      return;
    }
    this.#slot.leave();
    this.#onEmpty();
  }

  item(): Message {
    const active = this.#active();
    const joiner = active.find(({ state }) => state === 'joining');
    const asked = (joiner ?? furthestBehind(active))?.position ?? null;
    const of = joiner === undefined ? active : active.filter((one) => isSame(one.position, asked));
    const snapshot = Math.max(...of.map((one) => one.snapshot));
    this.#round = { of, asked, snapshot };
    return asked === null ? { snapshot } : { snapshot, position: { epoch: asked.epoch, seq: asked.seq } };
  }

  subscribed(message: Subscribed): void {
    const at = positionOf(message);
    const { of, asked, snapshot } = this.#round;
    this.#round = NOBODY;
    this.#position = at;
    for (const consumer of of) if (isActive(consumer)) consumer.answer(message, asked, at, snapshot);
    const isTogether = this.#active().every(({ state, position }) => state === 'joined' && isSame(position, at));
    if (!isTogether) this.#slot.ask();
  }

  live(message: Live): void {
    const known = this.#position;
    if (known === null) return;
    const at = positionOf(message);
    switch (message.type) {
      case 'candle':
        if (message.prev === undefined ? at.seq > known.seq : message.prev > known.seq) this.#slot.ask();
        else if (message.prev === undefined ? at.seq === known.seq : at.seq > known.seq) {
          this.#position = at;
          for (const one of this.#consumers) if (one.state === 'joined') one.candle(message.candle, at);
        }
        break;
      case 'gap':
        if (message.prev > known.seq) this.#slot.ask();
        else if (at.seq > known.seq) {
          this.#position = at;
          for (const one of this.#consumers) if (one.state === 'joined') one.gap(message, at);
        }
        break;
      case 'heartbeat':
        if (at.seq > known.seq) this.#slot.ask();
        break;
      case 'resync':
        this.#position = at;
        for (const one of this.#consumers)
          if (one.state === 'joined') one.answer(message, known, at, Number.POSITIVE_INFINITY);
        break;
    }
  }

  failed(error: CandlecastError): void {
    for (const consumer of [...this.#consumers]) {
      consumer.end(error);
      this.leave(consumer);
    }
  }

  #active(): CandleConsumer[] {
    return [...this.#consumers].filter(isActive);
  }
}

function isActive({ state }: CandleConsumer): boolean {
  return state === 'joining' || state === 'joined';
}

function furthestBehind(consumers: readonly CandleConsumer[]): CandleConsumer | undefined {
  return consumers.reduce<CandleConsumer | undefined>(
    (least, one) => ((least?.position?.seq ?? Number.POSITIVE_INFINITY) <= (one.position?.seq ?? 0) ? least : one),
    undefined,
  );
}

function isSame(a: Position | null, b: Position | null): boolean {
  return a?.seq === b?.seq && a?.epoch === b?.epoch;
}

function positionOf({ epoch, seq }: Position): Position {
  return { epoch, seq };
}

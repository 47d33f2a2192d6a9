import type { ServerMessage } from '../wire/messages.js';
import type { WireSignal } from '../wire/signals.js';
import type { CandlecastError } from './errors.js';
import type { Channel, Hub, Live, Slot, Subscribed } from './hub.js';
import type { Message } from './outbox.js';
import type { SignalConsumer } from './signal-consumer.js';
import type { Position } from './types.js';

export const SIGNALS = 'signals';
export const ACK_ID = 'ack';
export const DEFAULT_DEVICE = 'default';
const ACK_RETRY_MS = 1_000;
const LEAVE_TIMEOUT_MS = 1_000;

/** The user's signals on one connection, their readers, and what the device has acknowledged. */
export class SignalChannel implements Channel {
  readonly #consumers = new Set<SignalConsumer>();
  readonly #device: string;
  readonly #hub: Hub;
  readonly #slot: Slot;
  readonly #onEmpty: () => void;
  #position: Position | null = null;
  /** The position of the subscribe under way; null: it only asks how far the device is. */
  #asked: Position | null = null;
  /** What the server has heard of, and what it is being told. */
  #acked = 0;
  #acking: number | null = null;
  #retry: ReturnType<typeof setTimeout> | undefined;
  /** Of the reader that left last: how far it was, and how long that may take to tell. */
  #last = 0;
  #late: ReturnType<typeof setTimeout> | undefined;

  constructor(device: string, hub: Hub, onEmpty: () => void) {
    this.#device = device;
    this.#hub = hub;
    this.#slot = hub.open(SIGNALS, this);
    this.#onEmpty = onEmpty;
  }

  get isKnown(): boolean {
    return this.#position !== null;
  }

  /** @throws TypeError for another device: a connection is one. */
  join(consumer: SignalConsumer, device: string): void {
    if (device !== this.#device)
      throw new TypeError(`this client is the device ${this.#device}: use another for ${device}`);
    this.#consumers.add(consumer);
    clearTimeout(this.#late);
    this.#slot.ask();
  }

  leave(consumer: SignalConsumer): void {
    if (!this.#consumers.delete(consumer)) return;
    if (this.#consumers.size > 0) {
      this.pauses(true);
      return;
    }
    // Where the server has not heard of it yet, it is told before the channel is given up.
    const seq = consumer.acked;
    if (this.#slot.isUp && this.#acking === null && seq > this.#acked) this.#send(seq);
    this.#last = seq;
    this.#late = setTimeout(() => this.#leave(), LEAVE_TIMEOUT_MS);
    this.#leaveIfTold();
  }

  /** Nobody came meanwhile, and the server knows all there is to know, or cannot be told now. */
  #leaveIfTold(): void {
    if (this.#consumers.size > 0) return;
    if (this.#acking === null || !this.#slot.isUp) this.#leave();
  }

  #leave(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#late);
    this.#slot.leave();
    this.#onEmpty();
  }

  pauses(isPaused: boolean): void {
    if (!isPaused) this.#slot.ask();
    else if (this.#active().length === 0) this.#slot.rest();
  }

  item(): Message {
    clearTimeout(this.#retry);
    const active = this.#active();
    const isNew = active.some(({ position }) => position === null);
    this.#asked = isNew ? null : furthestBehind(active);
    const position = this.#asked === null ? {} : { position: { epoch: this.#asked.epoch, seq: this.#asked.seq } };
    return { device: this.#device, ...position };
  }

  subscribed(message: Subscribed): void {
    const at = { epoch: message.epoch, seq: message.seq };
    this.#acked = message.acked ?? 0;
    if (this.#asked === null) this.#learned(at);
    else if (message.recovered !== true) for (const one of this.#active()) one.reset(at);
    this.#position = at;
    const least = furthestBehind(this.#active());
    if (least !== null && least.seq < at.seq) this.#slot.ask();
    else this.ack();
  }

  live(message: Live): void {
    const known = this.#position;
    if (known === null) return;
    const at = { epoch: message.epoch, seq: message.seq };
    if (message.type === 'signal') this.#take(known, message.prev, [message.signal], at);
    else if (message.type === 'signals') this.#take(known, message.prev, message.signals, at);
    else if (at.seq > known.seq) this.#slot.ask();
  }

  failed(error: CandlecastError): void {
    for (const consumer of [...this.#consumers]) {
      consumer.end(error);
      this.leave(consumer);
    }
  }

  /** Tells the server how far every reader is. */
  ack(): void {
    const seq = Math.min(...[...this.#consumers].map(({ acked }) => acked));
    if (this.#acking !== null || !this.#slot.isUp || !Number.isFinite(seq) || seq <= this.#acked) return;
    if (this.#position !== null && seq <= this.#position.seq) this.#send(seq);
  }

  /** The answer to an `ack`. */
  answered(message: Extract<ServerMessage, { type: 'acked' | 'error' }>): void {
    this.#acking = null;
    if (message.type === 'acked') this.#acked = Math.max(this.#acked, message.seq);
    if (this.#consumers.size === 0) {
      if (message.type === 'acked' && this.#last > this.#acked) this.#send(this.#last);
      this.#leaveIfTold();
    } else if (message.type === 'acked') {
      this.ack();
    } else {
      clearTimeout(this.#retry);
      this.#retry = setTimeout(() => this.ack(), ACK_RETRY_MS);
    }
  }

  down(): void {
    this.#acking = null;
    clearTimeout(this.#retry);
    this.#leaveIfTold();
  }

  #send(seq: number): void {
    this.#acking = seq;
    this.#hub.send({ op: 'ack', id: ACK_ID, channel: SIGNALS, seq });
  }

  /** Where those begin that know no position. */
  #learned(at: Position): void {
    for (const one of this.#active()) {
      if (one.position !== null) continue;
      one.acked = one.from === 'now' ? at.seq : this.#acked;
      one.position = { epoch: at.epoch, seq: one.acked };
    }
  }

  #take(known: Position, prev: number, signals: readonly WireSignal[], at: Position): void {
    if (prev > known.seq) {
      this.#slot.ask();
      return;
    }
    if (at.seq <= known.seq) return;
    this.#position = at;
    for (const one of this.#active()) one.take(signals, at);
    this.ack();
  }

  #active(): SignalConsumer[] {
    return [...this.#consumers].filter(({ isPaused }) => !isPaused);
  }
}

function furthestBehind(consumers: readonly SignalConsumer[]): Position | null {
  return consumers.reduce<Position | null>(
    (least, { position }) => (least === null || (position !== null && position.seq < least.seq) ? position : least),
    null,
  );
}

import type { WireSignal } from '../wire/signals.js';
import type { Outlet } from './outlets.js';
import type { Position, Signal, SignalItem, SignalOptions } from './types.js';

const DEFAULT_BUFFER = 10_000;

/** One reader of the user's signals. */
export class SignalConsumer {
  isPaused = false;
  /** Everything up to here has been handed over or waits for the reader; null: it has not begun. */
  position: Position | null;
  /** It has dealt with everything up to here. */
  acked = 0;
  readonly from: 'acked' | 'now' | Position;
  readonly #outlet: Outlet<SignalItem>;
  readonly #buffer: number;
  readonly #on: { acks(): void; pauses(isPaused: boolean): void };

  constructor(
    { from = 'acked', buffer = DEFAULT_BUFFER }: SignalOptions,
    outlet: Outlet<SignalItem>,
    on: { acks(): void; pauses(isPaused: boolean): void },
  ) {
    this.from = from;
    this.position = typeof from === 'object' ? from : null;
    this.acked = this.position?.seq ?? 0;
    this.#buffer = buffer;
    this.#outlet = outlet;
    this.#on = on;
    outlet.onRoom = () => this.#hasRoom();
  }

  take(signals: readonly WireSignal[], at: Position): void {
    const known = this.position?.seq ?? 0;
    const news = signals.filter(({ seq }) => seq > known);
    this.position = at;
    if (news.length > 0) this.#outlet.push(news.map((signal) => this.#itemOf(signal, at.epoch)));
    if (this.isPaused || this.#outlet.waiting <= this.#buffer) return;
    this.isPaused = true;
    this.#on.pauses(true);
  }

  reset(at: Position): void {
    this.position = at;
    this.acked = at.seq;
    this.#outlet.push([{ type: 'reset', position: at }]);
  }

  end(error: Error | null): void {
    this.#outlet.onRoom = null;
    this.#outlet.end(error);
  }

  #itemOf({ type, seq, ...rest }: WireSignal, epoch: number): Signal {
    const ack = (): void => {
      if (seq <= this.acked) return;
      this.acked = seq;
      this.#on.acks();
    };
    return { ...rest, type: 'signal', kind: type, seq, position: { epoch, seq }, ack };
  }

  #hasRoom(): void {
    if (!this.isPaused || this.#outlet.waiting > this.#buffer / 2) return;
    this.isPaused = false;
    this.#on.pauses(false);
  }
}

import type { Candle, CandleItem } from '../../src/client/index.js';
import type { WireCandle } from '../../src/wire/messages.js';

/** Reads a stream to wherever a test wants it, and throws where something is doubled, out of order or unexplained. */
export class Collector {
  readonly items: CandleItem[] = [];
  /** As first closed or corrected last, by open time. */
  readonly closed = new Map<number, WireCandle>();
  open: Candle | null = null;
  ended: { readonly error: unknown } | null = null;
  /** What the reader does with each item before it asks for the next. */
  dealWith: (item: CandleItem) => Promise<void> | void = () => {};
  #listeners: (() => void)[] = [];

  constructor(stream?: AsyncIterable<CandleItem>) {
    if (stream !== undefined) void this.#read(stream);
  }

  get gaps(): CandleItem[] {
    return this.items.filter(({ type }) => type === 'gap');
  }

  get resets(): number {
    return this.items.filter(({ type }) => type === 'reset').length;
  }

  /** The closed candles ascending, in their latest revision, as the wire has them. */
  get candles(): WireCandle[] {
    return [...this.closed.values()].sort((a, b) => a.t - b.t);
  }

  readonly take = (items: readonly CandleItem[]): void => {
    for (const item of items) this.#take(item);
    this.wake();
  };

  /** Rejects where the stream ends before. */
  async until(isReached: (self: this) => boolean): Promise<void> {
    while (!isReached(this)) {
      if (this.ended !== null) throw this.ended.error ?? new Error('the stream ended');
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  /** Resolves with the error it ended with, or null. */
  async end(): Promise<unknown> {
    while (this.ended === null) await new Promise<void>((resolve) => this.#listeners.push(resolve));
    return this.ended.error;
  }

  wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  async #read(stream: AsyncIterable<CandleItem>): Promise<void> {
    try {
      for await (const item of stream) {
        this.#take(item);
        this.wake();
        await this.dealWith(item);
      }
      this.ended = { error: null };
    } catch (error) {
      this.ended = { error };
    }
    this.wake();
  }

  #take(item: CandleItem): void {
    this.items.push(item);
    if (item.type === 'reset') this.closed.clear();
    if (item.type !== 'candle') return;
    if (!item.x) {
      if (this.closed.has(item.t)) throw new Error(`an update of ${item.t} after its close`);
      this.open = item;
      return;
    }
    const held = this.closed.get(item.t);
    if (held !== undefined && held.r >= item.r) throw new Error(`doubled: ${JSON.stringify(item)}`);
    if (held !== undefined && !item.correction) throw new Error(`a correction that is not called one: ${item.t}`);
    const last = Math.max(...this.closed.keys());
    if (item.t < last && !item.correction) throw new Error(`out of order: ${item.t} after ${last}`);
    this.closed.set(item.t, toWire(item));
  }
}

export function toWire({ t, o, h, l, c, v, n, x, r }: Candle): WireCandle {
  return { t, o, h, l, c, v, n, x, r };
}

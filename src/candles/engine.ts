import type { Candle } from '../market/candle.js';
import type { HotWindow, MarketEvent } from '../market/event.js';
import type { Interval } from '../market/interval.js';
import type { Trade } from '../market/trade.js';
import { type StoredState, SymbolBook, type TradeOutcome } from './book.js';

/**
 * Trades in, candles out, for any number of symbols. Pure: no I/O, no clock of its own; the same calls give the same
 * events. Durable events (closed, corrected, gap) collect until `takeEvents`; open candles are read when wanted.
 */
export class CandleEngine {
  readonly #graceMs: number;
  readonly #epoch: number;
  readonly #books = new Map<string, SymbolBook>();
  readonly #changed: SymbolBook[] = [];
  readonly #late = new Set<SymbolBook>();
  #events: MarketEvent[] = [];
  readonly #emit = (event: MarketEvent) => {
    this.#events.push(event);
  };

  readonly #noteChange = (book: SymbolBook) => {
    this.#changed.push(book);
  };

  /**
   * @param graceMs how long after a minute's end its trades may still arrive before it closes.
   * @param epoch the writer's; every event carries it.
   */
  constructor(graceMs: number, epoch: number) {
    this.#graceMs = graceMs;
    this.#epoch = epoch;
  }

  /** Takes up a symbol where its stored candles end; see SymbolBook.restore. */
  restore(symbol: string, stored: StoredState, foldFrom: number): void {
    this.#book(symbol).restore(stored, foldFrom);
  }

  /** Brings a restored symbol to the end of what is stored, for when its feed has delivered again all it has. */
  finishRestore(symbol: string): void {
    const book = this.#book(symbol);
    if (Number.isFinite(book.knownThrough)) this.advance(symbol, book.knownThrough + 60_000 + this.#graceMs);
  }

  apply(trade: Trade): TradeOutcome {
    const book = this.#book(trade.symbol);
    let outcome = book.apply(trade);
    if (outcome === 'too_early') {
      // A trade this far ahead is itself the clock: nothing of the hours before it can still be on its way.
      book.advance(trade.time, this.#graceMs);
      outcome = book.apply(trade);
    }
    if (outcome === 'corrected') this.#late.add(book);
    return outcome;
  }

  /** The symbol's clock has reached `timeMs`. */
  advance(symbol: string, timeMs: number): void {
    this.#book(symbol).advance(timeMs, this.#graceMs);
  }

  gap(symbol: string, from: number, to: number, reason: string): void {
    this.#book(symbol).gap(from, to, reason);
  }

  /** Durable events since the last call, in the order in which they are to be published. */
  takeEvents(): MarketEvent[] {
    for (const book of this.#late) book.settle();
    this.#late.clear();
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Symbols whose open candles have changed since the last call. */
  takeChanged(): string[] {
    const symbols = this.#changed.map((book) => book.symbol);
    for (const book of this.#changed) book.changed = false;
    this.#changed.length = 0;
    return symbols;
  }

  open(symbol: string, interval: Interval): Candle | null {
    return this.#books.get(symbol)?.open(interval) ?? null;
  }

  channelSeq(symbol: string, interval: Interval): number {
    return this.#books.get(symbol)?.channelSeq(interval) ?? 0;
  }

  window(symbol: string, interval: Interval): Omit<HotWindow, 'epoch'> | null {
    return this.#books.get(symbol)?.window(interval) ?? null;
  }

  #book(symbol: string): SymbolBook {
    let book = this.#books.get(symbol);
    if (book === undefined) {
      book = new SymbolBook(symbol, this.#epoch, this.#emit, this.#noteChange);
      this.#books.set(symbol, book);
    }
    return book;
  }
}

import type { Clock } from '../../kit/clock.js';
import type { Position } from '../../market/position.js';
import type { Trade } from '../../market/trade.js';
import { aggTradeEvent, tradeEvent } from '../../wire/binance/trade.js';
import type { Outlet } from '../topic.js';
import type { TradeSource } from '../trade-source.js';
import { FormTopics, type MomentSource } from './form-topic.js';
import { Leased } from './leased.js';

/** Trades that a subscriber who has read too slowly may have missed. */
const KEPT = 1000;
const LINGER_MS = 5_000;

/** The single trades of one symbol. */
class Tape extends Leased implements MomentSource {
  readonly stale = false;
  readonly topics: FormTopics;
  /** `seq` counts the trades since somebody began to listen. */
  position: Position = { epoch: 0, seq: 0 };
  #kept: Trade[] = [];

  constructor(
    readonly symbol: string,
    readonly ready: Promise<void>,
    clock: Clock,
    outlet: Outlet,
  ) {
    super(clock);
    this.topics = new FormTopics(this, outlet);
  }

  take(trades: readonly Trade[]): void {
    const lower = this.symbol.toLowerCase();
    const now = this.clock.now();
    for (const name of [`${lower}@trade`, `${lower}@aggTrade`])
      if (this.topics.wants(name)) for (const trade of trades) this.topics.say(name, dataOf(name, trade, now));
    this.#kept = [...this.#kept, ...trades].slice(-KEPT);
    this.position = { epoch: 0, seq: this.position.seq + trades.length };
  }

  since(name: string, position: Position | null): readonly string[] | null {
    if (position === null) return [];
    const missed = this.position.seq - position.seq;
    if (missed > this.#kept.length) return null;
    const now = this.clock.now();
    return missed === 0 ? [] : this.#kept.slice(-missed).map((trade) => dataOf(name, trade, now));
  }
}

function dataOf(name: string, trade: Trade, now: number): string {
  return name.endsWith('@trade') ? tradeEvent(trade, now) : aggTradeEvent(trade, now);
}

/** The trades of those symbols whose trades somebody wants. */
export class Tapes {
  readonly #bySymbol = new Map<string, Tape>();
  readonly #stop: () => void;

  constructor(
    readonly source: TradeSource,
    readonly clock: Clock,
    readonly outlet: Outlet,
  ) {
    this.#stop = source.onTrades((symbol, trades) => this.#bySymbol.get(symbol)?.take(trades));
  }

  get(symbol: string): Tape {
    const known = this.#bySymbol.get(symbol);
    if (known) return known;
    const tape = new Tape(symbol, this.source.subscribe(symbol), this.clock, this.outlet);
    this.#bySymbol.set(symbol, tape);
    tape.ready.catch(() => this.#drop(tape));
    return tape;
  }

  sweep(nowMs: number): void {
    for (const tape of this.#bySymbol.values()) if (tape.isIdle(nowMs, LINGER_MS)) this.#drop(tape);
  }

  stop(): void {
    this.#stop();
  }

  #drop(tape: Tape): void {
    if (this.#bySymbol.get(tape.symbol) !== tape) return;
    this.#bySymbol.delete(tape.symbol);
    this.source.unsubscribe(tape.symbol);
  }
}

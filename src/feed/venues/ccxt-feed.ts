import { HOUR_MS } from '../../market/interval.js';
import type { Feed, FeedContext } from '../feed.js';
import { Quarantine } from '../quarantine.js';
import { CcxtLane } from './ccxt-lane.js';
import type { CcxtExchange, OpenExchange } from './ccxt-load.js';
import { type CcxtSource, ccxtSymbol } from './ccxt-source.js';
import { DEFAULT_BACKFILL_HOURS } from './sources.js';
import { TIMINGS, type Timings } from './timings.js';

/**
 * Any exchange that ccxt streams. ccxt connects and reconnects; its ids prove nothing, so every minute is compared with REST before
 * it closes.
 */
export class CcxtFeed implements Feed {
  readonly name: string;
  readonly source: string;
  readonly synthetic = false;
  readonly symbols: readonly string[];
  readonly quarantine: Quarantine;
  readonly #exchange: CcxtExchange;
  readonly #lanes: readonly CcxtLane[];
  readonly #context: FeedContext;
  readonly #timings: Timings;
  #stopTicking: () => void = () => {};
  #stopped = false;

  constructor(source: CcxtSource, open: OpenExchange, context: FeedContext, timings: Timings = TIMINGS) {
    this.source = source.exchange;
    this.name = `feed ccxt ${source.exchange}`;
    this.quarantine = new Quarantine(context.log, source.exchange);
    this.#context = context;
    this.#timings = timings;
    this.#exchange = open();
    this.#lanes = source.natives.map(
      (native) =>
        new CcxtLane({
          source: source.exchange,
          native,
          symbol: `${ccxtSymbol(native)}${source.suffix}`,
          exchange: this.#exchange,
          context,
          quarantine: this.quarantine,
          timings,
          backfillMs: DEFAULT_BACKFILL_HOURS * HOUR_MS,
        }),
    );
    this.symbols = this.#lanes.map(({ symbol }) => symbol);
  }

  async catchUp(progress: (done: number) => void): Promise<void> {
    const { clock } = this.#context;
    for (const lane of this.#lanes) lane.start();
    this.#stopTicking = clock.every(this.#timings.tickMs, () => {
      for (const lane of this.#lanes) lane.tick();
    });
    const until = clock.now() + this.#timings.catchUpMs;
    while (!this.#stopped && clock.now() < until) {
      const whole = this.#lanes.filter(({ isWhole }) => isWhole).length;
      progress(whole / Math.max(1, this.#lanes.length));
      if (whole === this.#lanes.length) return;
      await new Promise<void>((resolve) => clock.after(this.#timings.tickMs, resolve));
    }
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    for (const lane of this.#lanes) lane.stop();
    await this.#exchange.close();
    this.quarantine.summarise();
  }
}

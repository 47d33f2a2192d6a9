import { RedisPublisher } from '../../src/bus/redis/publisher.js';
import { RedisSubscriber } from '../../src/bus/redis/subscriber.js';
import { systemClock } from '../../src/kit/clock.js';
import type { Log } from '../../src/kit/log.js';
import type { HotWindow, MarketEvent } from '../../src/market/event.js';
import type { Interval } from '../../src/market/interval.js';
import type { BusUnderTest } from './contract.js';

export interface RedisBusOptions {
  readonly prefix?: string;
  windowOf(symbol: string, interval: Interval): Promise<HotWindow | null>;
}

/** Lines of a log, to look for words in. */
export class Lines implements Log {
  readonly lines: string[] = [];
  readonly #add = (fields: object, message: string) => this.lines.push(`${message} ${JSON.stringify(fields)}`);
  debug = this.#add;
  info = this.#add;
  warn = this.#add;
  error = this.#add;

  count(pattern: RegExp): number {
    return this.lines.filter((line) => pattern.test(line)).length;
  }
}

/** A publisher and a subscriber on one Redis. */
export class RedisBus implements BusUnderTest {
  readonly log = new Lines();
  readonly publisher: RedisPublisher;
  readonly subscriber: RedisSubscriber;
  readonly batches: (readonly MarketEvent[])[] = [];
  readonly fenced: [string, number][] = [];
  readonly ups: boolean[] = [];

  private constructor(url: string, { prefix = '', windowOf }: RedisBusOptions) {
    const common = { url, prefix, clock: systemClock, log: this.log };
    const onFenced = (symbol: string, epoch: number) => this.fenced.push([symbol, epoch]);
    this.publisher = new RedisPublisher({ ...common, windowOf, onFenced });
    this.subscriber = new RedisSubscriber(common);
    this.subscriber.onEvents((events) => this.batches.push(events));
    this.subscriber.onUp((up) => this.ups.push(up));
  }

  static async start(url: string, options: RedisBusOptions, symbols: readonly string[] = []): Promise<RedisBus> {
    const bus = new RedisBus(url, options);
    await Promise.all([bus.publisher.start(), bus.subscriber.start()]);
    bus.publisher.own(symbols);
    await bus.publisher.flush();
    return bus;
  }

  async subscribe(symbol: string, interval: Interval): Promise<void> {
    await this.subscriber.subscribe(symbol, interval);
    await until(() => this.publisher.wants(symbol, interval));
    await this.settled();
  }

  async settled(): Promise<void> {
    await this.publisher.flush();
    await this.barrier();
  }

  /** Redis answers a subscription after what it sent before, on each of the connections; some symbol is on each node. */
  async barrier(): Promise<void> {
    const symbols = Array.from({ length: 32 }, (_, i) => `BARRIER${i}`);
    await Promise.all(symbols.map((symbol) => this.subscriber.subscribe(symbol, '1M')));
    for (const symbol of symbols) this.subscriber.unsubscribe(symbol, '1M');
  }

  get events(): MarketEvent[] {
    return this.batches.flat();
  }

  async stop(): Promise<void> {
    await Promise.all([this.publisher.stop(), this.subscriber.stop()]);
  }
}

/** For what another process does, which tells nobody when it has. */
export async function until(condition: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`it never became so: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Our ingest side with the whole state of many symbols made up: what a partition has after months. No HTTP, no database. */
import { RedisPublisher } from '../../../src/bus/redis/publisher.js';
import { CandlePipeline } from '../../../src/candles/pipeline.js';
import { type Clock, systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { MINUTE_MS } from '../../../src/market/interval.js';
import { Spool } from '../../../src/store/spool/spool.js';
import { answer } from './answer.js';
import { NOW, stateOf } from './state.js';

const GRACE_MS = 2000;
const clock: Clock = systemClock;
const log = silentLog;

interface Open {
  readonly url: string;
  readonly symbols: readonly string[];
  readonly spool: string;
}

class Books {
  readonly #publisher: RedisPublisher;
  readonly #pipeline: CandlePipeline;
  readonly #spool: Spool;
  readonly #symbols: readonly string[];

  constructor({ url, symbols, spool }: Open) {
    this.#symbols = symbols;
    this.#spool = new Spool({ directory: spool, clock, log });
    this.#publisher = new RedisPublisher({
      url,
      prefix: '',
      clock,
      log,
      windowOf: (symbol, interval) => this.#pipeline.window(symbol, interval),
      onFenced: (symbol) => {
        throw new Error(`${symbol} is fenced`);
      },
    });
    this.#pipeline = new CandlePipeline({
      epoch: 1,
      graceMs: GRACE_MS,
      coalesceMs: 250,
      clock,
      log,
      append: (records) => this.#spool.append(records),
      publish: (events) => this.#publisher.publish(events),
      wants: (symbol, interval) => this.#publisher.wants(symbol, interval),
    });
  }

  async open(): Promise<object> {
    await this.#spool.start();
    await this.#publisher.start();
    await this.#pipeline.start();
    for (const symbol of this.#symbols) this.#pipeline.restore(symbol, stateOf(symbol), NOW);
    for (const symbol of this.#symbols) this.#pipeline.finishRestore(symbol);
    const from = performance.now();
    await this.#publisher.take(1, this.#symbols);
    const taken = performance.now();
    this.#publisher.own(this.#symbols);
    await this.#publisher.flush();
    return { re: 'opened', takeMs: taken - from, storeMs: performance.now() - taken };
  }

  /** Every symbol trades in the next minute, which then ends. @returns how long until all that closed is stored and published. */
  async edge(minute: number): Promise<object> {
    const start = NOW + minute * MINUTE_MS;
    for (const [id, symbol] of this.#symbols.entries())
      this.#pipeline.trade({
        symbol,
        id: id + 1,
        time: start + 1000,
        priceWhole: 61_240,
        priceFraction: 1_000_000,
        quantityWhole: 1,
        quantityFraction: 0,
        takerSide: 'buy',
      });
    await this.#publisher.flush();
    const before = this.#publisher.stats;
    const failed = sum(before.failures);
    const from = performance.now();
    const cpu = process.cpuUsage();
    for (const symbol of this.#symbols) this.#pipeline.advance(symbol, start + MINUTE_MS + GRACE_MS);
    const folded = performance.now();
    await this.#pipeline.window(this.#symbols[0] ?? '', '1m');
    const durable = performance.now();
    await this.#publisher.flush();
    const { user, system } = process.cpuUsage(cpu);
    const { events, stores, failures } = this.#publisher.stats;
    return {
      re: 'edge',
      foldMs: folded - from,
      durableMs: durable - from,
      outMs: performance.now() - from,
      cpuMs: (user + system) / 1000,
      events: events - before.events,
      stores: stores - before.stores,
      failures: sum(failures) - failed,
    };
  }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

let books: Books | null = null;
answer(async (command) => {
  if (command.op === 'open') {
    books = new Books(command as unknown as Open);
    return books.open();
  }
  if (books === null) throw new Error('not open');
  return books.edge(Number(command.minute));
});

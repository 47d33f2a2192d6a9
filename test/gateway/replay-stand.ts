import { replaySource } from '../../src/app/replay.js';
import { StoredHistory } from '../../src/app/stored-history.js';
import { LocalBus } from '../../src/bus/local.js';
import { CandlePipeline, type DurableRecord } from '../../src/candles/pipeline.js';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.js';
import type { GatewayLimits } from '../../src/gateway/limits.js';
import { chooseTransport } from '../../src/gateway/transport/create.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { parseDecimal } from '../../src/kit/decimal.js';
import { silentLog } from '../../src/kit/log.js';
import { MINUTE_MS } from '../../src/market/interval.js';
import { Database } from '../../src/store/timescale/database.js';
import { CandleHistory } from '../../src/store/timescale/history.js';
import { upsertCandles, upsertGap } from '../../src/store/timescale/upsert.js';
import { problem } from '../../src/wire/http.js';
import type { ServerMessage } from '../../src/wire/messages.js';
import { allowEpochs } from '../store/timescale-support.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { TestClient } from './client.js';

export const START = Date.UTC(2026, 0, 5, 9, 57);
export const EPOCH = 7;
type TransportName = 'uws' | 'node';

/** Engine, database, gateway and sockets, all real: what is folded is stored at once and published. */
export class ReplayStand {
  readonly clients: TestClient[] = [];
  readonly #gateways: Gateway[] = [];
  readonly #ids = new Map<string, number>();

  private constructor(
    readonly server: TestDatabase,
    readonly database: Database,
    readonly replays: Database,
    readonly bus: LocalBus,
    readonly pipeline: CandlePipeline,
  ) {}

  static async start(): Promise<ReplayStand> {
    const server = await testDatabase();
    await allowEpochs(server.connect({ max: 1 }), EPOCH);
    const database = new Database({ url: server.url, clock: systemClock, max: 2 });
    const bus: LocalBus = new LocalBus((symbol, interval) => pipeline.window(symbol, interval));
    const pipeline: CandlePipeline = new CandlePipeline({
      epoch: EPOCH,
      graceMs: 0,
      coalesceMs: 0,
      clock: systemClock,
      log: silentLog,
      append: (records) => store(database, records),
      publish: (events) => bus.publish(events),
      wants: (symbol, interval) => bus.wants(symbol, interval),
    });
    await pipeline.start();
    const replays = new Database({ url: server.url, clock: systemClock, max: 2 });
    return new ReplayStand(server, database, replays, bus, pipeline);
  }

  get history(): CandleHistory {
    return new CandleHistory(this.database);
  }

  async gateway(
    limits: Partial<GatewayLimits> = {},
    clock: Clock = systemClock,
    transport: TransportName = 'uws',
    extra: Partial<GatewayOptions> = {},
  ): Promise<Gateway> {
    const gateway = new Gateway({
      createTransport: await chooseTransport(transport, silentLog, systemClock),
      http: () => problem(404, 'Not Found', 'nothing here'),
      bus: this.bus,
      history: new StoredHistory(this.history, 1),
      replays: replaySource(this.replays),
      clock,
      log: silentLog,
      server: 'candlecast/test',
      limits,
      ...extra,
    });
    this.#gateways.push(gateway);
    return gateway;
  }

  async client(port: number, protocol: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    const client = await TestClient.connect(port, protocol);
    this.clients.push(client);
    return client;
  }

  /** A trade at so many ms after the start. */
  trade(symbol: string, afterMs: number, price: string, quantity = '1.5'): void {
    const [own, size] = [parseDecimal(price), parseDecimal(quantity)];
    if (own === null || size === null) throw new Error('no decimal');
    const id = (this.#ids.get(symbol) ?? 0) + 1;
    this.#ids.set(symbol, id);
    const prices = { priceWhole: own.whole, priceFraction: own.fraction };
    const quantities = { quantityWhole: size.whole, quantityFraction: size.fraction };
    this.pipeline.trade({ symbol, id, time: START + afterMs, ...prices, ...quantities, takerSide: 'buy' });
  }

  /** Resolves when everything before is stored and published. */
  async settled(symbol: string): Promise<void> {
    await this.pipeline.window(symbol, '1m');
  }

  /**
   * The minutes [begin, end) of symbols, with 0 to 2 trades each; some minutes are flat. `gaps`: minutes (from, count) in which the feed of the first
   * one was away.
   */
  async play(
    symbols: readonly string[],
    begin: number,
    end: number,
    gaps: readonly (readonly [from: number, count: number])[] = [],
  ): Promise<void> {
    const random = seeded(`${symbols.join()}${begin}`);
    for (let minute = begin; minute < end; minute++) {
      for (const [place, symbol] of symbols.entries()) {
        const gap = place === 0 ? gaps.find(([from, count]) => minute >= from && minute < from + count) : undefined;
        const at = minute * MINUTE_MS;
        if (gap !== undefined) {
          const [from, count] = gap;
          if (minute === from)
            this.pipeline.gap(symbol, START + at + 10_000, START + (from + count) * MINUTE_MS + 20_000, 'disconnected');
          continue;
        }
        const trades = minute === 0 ? 1 : Math.floor(random() * 3);
        for (let i = 0; i < trades; i++)
          this.trade(symbol, at + 25_000 + i * 1000, (50 + random() * 20).toFixed(8), (random() * 10).toFixed(8));
        this.pipeline.advance(symbol, START + at + MINUTE_MS);
        await this.settled(symbol);
      }
    }
  }

  /** So many stored minutes that nobody has published. */
  async fill(symbol: string, minutes: number): Promise<void> {
    await fill(this.database, symbol, minutes);
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.socket.terminate();
    for (const gateway of this.#gateways) await gateway.close();
    await this.pipeline.stop();
    await this.database.close();
    await this.replays.close();
    await this.server.stop();
  }
}

export async function store(database: Database, records: readonly DurableRecord[]): Promise<void> {
  const candles = records.filter((record) => record.kind === 'candle');
  if (candles.length > 0) await database.run((sql) => upsertCandles(sql, candles));
  for (const record of records) if (record.kind === 'gap') await database.run((sql) => upsertGap(sql, record));
}

export async function fill(database: Database, symbol: string, minutes: number): Promise<void> {
  const rows = `INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, trade_count, seq, epoch)
    SELECT $1, to_timestamp($2::float8 / 1000) + n * interval '1 minute', 10 + n % 7, 20, 5 + n % 3, 10 + n % 5, 1.5, n % 4,
      ($2::bigint / 60000 + n) * 1048576, $3
    FROM generate_series(0, $4::int - 1) n`;
  await database.run((sql) => sql.unsafe(rows, [symbol, START, EPOCH, minutes]), 60_000);
}

/** The same numbers every time. */
export function seeded(text: string): () => number {
  let state = [...text].reduce((hash, letter) => (hash * 31 + letter.charCodeAt(0)) >>> 0, 7);
  return () => {
    state = (state * 1664525 + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The messages of one channel. */
export function onChannel(messages: readonly ServerMessage[], channel: string): ServerMessage[] {
  return messages.filter((message) => 'channel' in message && message.channel === channel);
}

export async function ended(client: TestClient, channels: number): Promise<void> {
  let ends = 0;
  await client.until((message) => message.type === 'replay_end' && ++ends >= channels);
}

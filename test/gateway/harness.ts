import type { Bus } from '../../src/bus/bus.js';
import { LocalBus } from '../../src/bus/local.js';
import { Gateway, type GatewayOptions } from '../../src/gateway/gateway.js';
import type { GatewayLimits } from '../../src/gateway/limits.js';
import { chooseTransport } from '../../src/gateway/transport/create.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { problem } from '../../src/wire/http.js';
import { TestClient } from './client.js';
import { TestMarket } from './market.js';
import type { TestUsers } from './users.js';

export const TRANSPORTS = ['uws', 'node'] as const;
export type TransportName = (typeof TRANSPORTS)[number];

/** A gateway on a free port over a market; everything in it is real but the market. */
export class Harness<B extends Bus = LocalBus> {
  readonly clients: TestClient[] = [];

  private constructor(
    readonly gateway: Gateway,
    readonly bus: B,
    readonly market: TestMarket,
    readonly port: number,
  ) {}

  static start(
    market: TestMarket,
    transport: TransportName = 'uws',
    limits: Partial<GatewayLimits> = {},
    log: Log = silentLog,
  ): Promise<Harness> {
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    return Harness.over(bus, market, transport, limits, log);
  }

  static async over<B extends Bus>(
    bus: B,
    market: TestMarket,
    transport: TransportName = 'uws',
    limits: Partial<GatewayLimits> = {},
    log: Log = silentLog,
    clock: Clock = systemClock,
    extra: Partial<GatewayOptions> = {},
  ): Promise<Harness<B>> {
    const gateway = new Gateway({
      createTransport: await chooseTransport(transport, silentLog, systemClock),
      http: () => problem(404, 'Not Found', 'nothing here'),
      bus,
      history: market.history,
      clock,
      log,
      server: 'candlecast/test',
      limits,
      ...extra,
    });
    const port = await gateway.listen('127.0.0.1', 0);
    return new Harness(gateway, bus, market, port);
  }

  /** With accounts and signals, in a time that may jump: a ping sent before is not late after. */
  static withUsers(
    users: TestUsers,
    transport: TransportName = 'uws',
    limits: Partial<GatewayLimits> = {},
    log: Log = silentLog,
  ): Promise<Harness> {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(5);
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    return Harness.over(bus, market, transport, { pongTimeoutMs: 3_600_000, ...limits }, log, users.clock, { users });
  }

  /** A connection that has authenticated. */
  async userClient(token: string, protocol: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    const client = await this.client(protocol);
    client.send({ op: 'auth', token, id: 'auth' });
    await client.type('authenticated');
    return client;
  }

  async client(protocol: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    const client = await TestClient.connect(this.port, protocol);
    this.clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.clients) client.socket.terminate();
    await this.gateway.close();
  }
}

import type { Subscriber } from '../bus/bus.js';
import type { TradeSubscriber } from '../bus/trades.js';
import type { Reader } from '../gateway/binance/reader.js';
import { Gateway } from '../gateway/gateway.js';
import type { SourceBus } from '../gateway/source-bus.js';
import type { GatewayStats } from '../gateway/stats.js';
import type { CreateTransport } from '../gateway/transport/transport.js';
import type { UserParts } from '../gateway/users.js';
import type { HttpHandler } from '../wire/http.js';
import type { Around } from './around.js';
import { toStop } from './around.js';
import type { MarketView } from './market-view.js';
import { packageVersion } from './package.js';
import type { Statuses } from './parts.js';
import { openReplays } from './replay.js';
import type { Readable } from './store.js';
import { StoredHistory } from './stored-history.js';

/** Clients are told to go, and given this long. */
const DRAIN_MS = 1000;

export interface GatewayParts {
  readonly createTransport: CreateTransport;
  /** Made with what the sockets are served from. */
  readonly http: (reader: Reader) => HttpHandler;
  readonly subscriber: Subscriber;
  /** What clients are told of each symbol's feed. */
  readonly statuses: Statuses;
  readonly trades: TradeSubscriber | null;
  readonly view: MarketView;
  readonly read: Readable;
  readonly users: UserParts | null;
  readonly stats: GatewayStats;
}

/** WebSockets and HTTP on the configured port. @returns the port. @throws UserError */
export async function openGateway(
  around: Around,
  { createTransport, http, subscriber, statuses, trades, view, read, users, stats }: GatewayParts,
): Promise<number> {
  const { config, clock, log, lifecycle, tracer } = around;
  const replays = await openReplays(around, read.url);
  const gateway: Gateway = new Gateway({
    createTransport,
    http: (request) => handler(request),
    bus: source(subscriber, statuses, view),
    history: new StoredHistory(read.history, read.firstEpoch),
    replays,
    trades,
    clock,
    log,
    server: `candlecast/${packageVersion()}`,
    stats,
    allowedOrigins: config.allowedOrigins,
    trustedProxies: config.trustedProxies,
    ...(users === null ? {} : { users }),
    ...(tracer && { tracer }),
  });
  const handler = http(gateway.reader);
  const port = await gateway.listen(config.host, config.port);
  await lifecycle.start(
    toStop('gateway', async () => {
      await gateway.drain(DRAIN_MS);
      await gateway.close();
    }),
  );
  return port;
}

/** The bus, with the latest stored candles of symbols that nobody feeds. */
function source(subscriber: Subscriber, statuses: Statuses, view: MarketView): SourceBus {
  return {
    subscribe: (symbol, interval) => subscriber.subscribe(symbol, interval),
    unsubscribe: (symbol, interval) => subscriber.unsubscribe(symbol, interval),
    onEvents: (listener) => subscriber.onEvents(listener),
    window: (symbol, interval) => view.window(symbol, interval),
    positions: (channels) => subscriber.positions(channels),
    onStatus: (listener) => statuses.onStatus(listener),
    statuses: () => statuses.statuses(),
    get up() {
      return subscriber.up;
    },
    onUp: (listener) => subscriber.onUp(listener),
  };
}

/** The full gateway: bus, hub, encoding, heartbeats, limits and the watch on slow clients, all on. */
import { LocalBus } from '../../../src/bus/local.js';
import { Gateway } from '../../../src/gateway/gateway.js';
import { chooseTransport } from '../../../src/gateway/transport/create.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import type { MarketEvent } from '../../../src/market/event.js';
import { json } from '../../../src/wire/http.js';
import { EPOCH, host, SEQ, sampleCandle } from './host.js';

const bus = new LocalBus(async () => ({ epoch: EPOCH, seq: SEQ, closed: [], open: null, gaps: [] }));
const none = async () => [];
const gateway = new Gateway({
  createTransport: await chooseTransport('uws', silentLog, systemClock),
  http: () => json(404, {}),
  bus,
  history: { before: none, since: none, gaps: none, gapsSince: none, firstEpoch: async () => EPOCH },
  clock: systemClock,
  log: silentLog,
  server: 'bench',
});

/** Made once: the engine makes candles, and is measured by itself. */
const updates: MarketEvent[] = Array.from({ length: 200 }, (_, n) => ({
  kind: 'update',
  symbol: `B${n}`,
  interval: '1m',
  epoch: EPOCH,
  seq: SEQ,
  candle: sampleCandle(n),
}));

await host({
  dialect: 'native',
  listen: () => gateway.listen('127.0.0.1', 0),
  tick(count) {
    bus.publish(updates.slice(0, count));
  },
});

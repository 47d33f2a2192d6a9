/** The same gateway as ours.ts, spoken to as Binance's clients do. */
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

/** New objects each time, as from the engine: a candle that is the same is not encoded again. */
function update(n: number): MarketEvent {
  const candle = sampleCandle(n);
  return { kind: 'update', symbol: `B${n}`, interval: '1m', epoch: EPOCH, seq: SEQ, candle };
}

await host({
  dialect: 'binance',
  listen: () => gateway.listen('127.0.0.1', 0),
  tick(count) {
    bus.publish(Array.from({ length: count }, (_, n) => update(n)));
  },
});

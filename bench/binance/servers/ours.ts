/** The gateway with its HTTP surface; an update of the open candle every 250 ms, as in a live market, unless it is told to be still. */
import { LocalBus } from '../../../src/bus/local.js';
import { Gateway } from '../../../src/gateway/gateway.js';
import { chooseTransport } from '../../../src/gateway/transport/create.js';
import { withBinance } from '../../../src/http/binance/handler.js';
import { Readers } from '../../../src/http/readers.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { type HttpHandler, json } from '../../../src/wire/http.js';
import { EPOCH, SEQ } from '../../fanout/servers/host.js';
import { answerCpu } from './cpu.js';
import { SYMBOL, WINDOW } from './sample.js';

const UPDATE_MS = 250;
const bus = new LocalBus(async () => WINDOW);
const none = async () => [];
const gateway: Gateway = new Gateway({
  createTransport: await chooseTransport('uws', silentLog, systemClock),
  http: (request) => handler(request),
  bus,
  history: { before: none, since: none, gaps: none, gapsSince: none, firstEpoch: async () => EPOCH },
  clock: systemClock,
  log: silentLog,
  server: 'bench',
});
const handler: HttpHandler = withBinance(() => json(404, {}), {
  market: { query: async () => ({ candles: [], known: false }) },
  hot: gateway.reader,
  symbols: () => [],
  trades: null,
  readers: new Readers(null, null, silentLog),
  clock: systemClock,
  log: silentLog,
  weightLimit: Number.POSITIVE_INFINITY,
});

setInterval(() => {
  const { open } = WINDOW;
  if (open !== null)
    bus.publish([{ kind: 'update', symbol: SYMBOL, interval: '1m', epoch: EPOCH, seq: SEQ, candle: { ...open } }]);
}, UPDATE_MS);
answerCpu();
process.send?.({ re: 'ready', port: await gateway.listen('127.0.0.1', 0) });

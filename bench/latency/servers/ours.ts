/** Trades over TCP through the engine, the pipeline (spool on disk and all), the bus and the full gateway; coalescing off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaySource } from '../../../src/app/replay.js';
import { LocalBus } from '../../../src/bus/local.js';
import { CandlePipeline } from '../../../src/candles/pipeline.js';
import { Gateway } from '../../../src/gateway/gateway.js';
import { chooseTransport } from '../../../src/gateway/transport/create.js';
import { systemClock } from '../../../src/kit/clock.js';
import { parseDecimal } from '../../../src/kit/decimal.js';
import { silentLog } from '../../../src/kit/log.js';
import { Spool } from '../../../src/store/spool/spool.js';
import { Database } from '../../../src/store/timescale/database.js';
import { json } from '../../../src/wire/http.js';
import { eachLine, ready } from './inlet.js';

const directory = mkdtempSync(join(tmpdir(), 'candlecast-bench-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const clock = systemClock;
const log = silentLog;
const spool = new Spool({ directory: join(directory, 'spool'), clock, log });
await spool.start();
const bus: LocalBus = new LocalBus((symbol, interval) => pipeline.window(symbol, interval));
const pipeline: CandlePipeline = new CandlePipeline({
  epoch: 1,
  graceMs: 2000,
  coalesceMs: Number(process.env.COALESCE_MS ?? 0),
  clock,
  log,
  append: (records) => spool.append(records),
  publish: (events) => bus.publish(events),
  wants: (symbol, interval) => bus.wants(symbol, interval),
});
await pipeline.start();
const url = process.env.REPLAY_URL ?? '';
const replays = url === '' ? null : replaySource(new Database({ url, clock, max: 1 }));
const none = async () => [];
const gateway = new Gateway({
  createTransport: await chooseTransport('uws', log, clock),
  http: () => json(404, {}),
  bus,
  history: { before: none, since: none, gaps: none, gapsSince: none, firstEpoch: async () => 1 },
  replays,
  clock,
  log,
  server: 'bench',
});

let id = 0;
function take(line: string): void {
  const price = parseDecimal(line.slice(0, line.indexOf('\t')));
  if (price === null) throw new Error(`bad line: ${line}`);
  pipeline.trade({
    symbol: 'BENCH',
    id: ++id,
    time: clock.now(),
    priceWhole: price.whole,
    priceFraction: price.fraction,
    quantityWhole: 1,
    quantityFraction: 0,
    takerSide: 'buy',
  });
}
take('1.0\t');
clock.every(100, () => pipeline.advance('BENCH', clock.now()));
ready(
  createServer({ noDelay: true }, (socket) => eachLine(socket, take)),
  await gateway.listen('127.0.0.1', 0),
);

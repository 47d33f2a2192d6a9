/** Our ingest side without HTTP and journal: a line over TCP is a trade into the pipeline, whose events go to Redis; coalescing off. */
import { RedisPublisher } from '../../../src/bus/redis/publisher.js';
import { CandlePipeline } from '../../../src/candles/pipeline.js';
import { systemClock } from '../../../src/kit/clock.js';
import { parseDecimal } from '../../../src/kit/decimal.js';
import { silentLog } from '../../../src/kit/log.js';
import { answer, openInlet } from './answer.js';

answer(async ({ url, symbol }) => {
  const clock = systemClock;
  const log = silentLog;
  const name = String(symbol);
  const publisher: RedisPublisher = new RedisPublisher({
    url: String(url),
    prefix: '',
    clock,
    log,
    windowOf: (one, interval) => pipeline.window(one, interval),
    onFenced: () => {},
  });
  const pipeline: CandlePipeline = new CandlePipeline({
    epoch: 1,
    graceMs: 2000,
    coalesceMs: 0,
    clock,
    log,
    append: async () => {},
    publish: (events) => publisher.publish(events),
    wants: (one, interval) => publisher.wants(one, interval),
  });
  await publisher.start();
  await pipeline.start();
  // All trades are of one minute, which never closes: the relay that this is compared with sends updates alone.
  const time = clock.now();
  let id = 0;
  const take = (line: string): void => {
    const price = parseDecimal(line.slice(0, line.indexOf('\t')));
    if (price === null) throw new Error(`bad line: ${line}`);
    pipeline.trade({
      symbol: name,
      id: ++id,
      time,
      priceWhole: price.whole,
      priceFraction: price.fraction,
      quantityWhole: 1,
      quantityFraction: 0,
      takerSide: 'buy',
    });
  };
  take('1.0\t');
  await publisher.take(1, [name]);
  publisher.own([name]);
  return { re: 'ready', inletPort: await openInlet(take), pid: process.pid };
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CandleEngine } from '../../src/candles/engine.js';
import { CandlePipeline, type DurableRecord } from '../../src/candles/pipeline.js';
import { silentLog } from '../../src/kit/log.js';
import type { Candle } from '../../src/market/candle.js';
import type { MarketEvent } from '../../src/market/event.js';
import { INTERVALS, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import type { Trade } from '../../src/market/trade.js';
import { ManualClock } from '../feed/manual-clock.js';

const START = Date.UTC(2024, 0, 1, 10, 0);
const GRACE_MS = 2000;
const COALESCE_MS = 250;

class Bench {
  readonly clock = new ManualClock(START);
  readonly log: string[] = [];
  readonly events: MarketEvent[] = [];
  /** Taken by the next append in place of success. */
  failures = 0;
  #id = 0;
  readonly pipeline: CandlePipeline;

  constructor(coalesceMs = COALESCE_MS) {
    this.pipeline = new CandlePipeline({
      epoch: 7,
      graceMs: GRACE_MS,
      coalesceMs,
      clock: this.clock,
      log: silentLog,
      append: (records) => this.#append(records),
      publish: (events) => {
        for (const event of events) {
          this.events.push(event);
          this.log.push(event.kind === 'gap' ? 'gap' : `${event.kind} ${minute(event.candle.openTime)}`);
        }
      },
      wants: (_, interval) => interval === '1m',
    });
  }

  async #append(records: readonly DurableRecord[]): Promise<void> {
    if (this.failures > 0) {
      this.failures -= 1;
      this.log.push('failed');
      throw new Error('no space left on device');
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (const record of records)
      this.log.push(record.kind === 'gap' ? 'disk gap' : `disk ${minute(record.candle.openTime)}`);
  }

  trade(time: number): void {
    this.pipeline.trade(tradeAt(time, ++this.#id));
  }
}

function tradeAt(time: number, id: number): Trade {
  return {
    symbol: 'X',
    id,
    time,
    priceWhole: 5,
    priceFraction: 0,
    quantityWhole: 1,
    quantityFraction: 0,
    takerSide: 'buy',
  };
}

/** Without its place, which open candles are not sent with. */
const shown = (candle: Candle | null): Candle | null => (candle === null ? null : { ...candle, seq: 0 });
const minute = (openTime: number) => (openTime - START) / MINUTE_MS;
const ofMinutes = (log: readonly string[]) => log.filter((line) => !line.includes('.'));

describe('the pipeline', () => {
  it('sends what changed within the coalescing time, the latest state of it, and nothing when nothing changed', async () => {
    const bench = new Bench();
    await bench.pipeline.start();
    for (let i = 0; i < 10; i++) bench.trade(START + i);
    await bench.clock.run(START + COALESCE_MS);
    expect(bench.log).toEqual(['update 0']);
    expect(bench.events[0]).toMatchObject({ candle: { trades: 10 } });
    await bench.clock.run(START + 10 * COALESCE_MS);
    expect(bench.log).toEqual(['update 0']);
  });

  it('sends every change at once without coalescing', async () => {
    const bench = new Bench(0);
    await bench.pipeline.start();
    bench.trade(START);
    await bench.clock.run(START);
    bench.trade(START + 1);
    await bench.clock.run(START);
    expect(bench.log).toEqual(['update 0', 'update 0']);
  });

  it('puts a close on disk before it sends it, and sends it before an update of the next minute that is due in the same turn', async () => {
    const bench = new Bench();
    // The clock of the feed and the coalescing timer come in one turn, in this order.
    bench.clock.after(MINUTE_MS + GRACE_MS, () => bench.pipeline.advance('X', START + MINUTE_MS + GRACE_MS));
    await bench.pipeline.start();
    bench.trade(START);
    bench.trade(START + MINUTE_MS);
    await bench.clock.run(START + MINUTE_MS + GRACE_MS - 1);
    bench.trade(START + MINUTE_MS + 1);
    await bench.clock.jump(START + MINUTE_MS + GRACE_MS + COALESCE_MS);
    await bench.clock.run(START + MINUTE_MS + GRACE_MS + 2 * COALESCE_MS);
    expect(ofMinutes(bench.log)).toEqual(['update 0', 'disk 0', 'closed 0', 'update 1']);
  });

  it('sends what the next minute has as soon as the one before it has closed, without another trade', async () => {
    const bench = new Bench();
    await bench.pipeline.start();
    bench.trade(START);
    bench.trade(START + MINUTE_MS + 5);
    await bench.clock.run(START + MINUTE_MS + GRACE_MS);
    bench.pipeline.advance('X', START + MINUTE_MS + GRACE_MS);
    await bench.clock.run(START + MINUTE_MS + GRACE_MS + 2 * COALESCE_MS);
    expect(bench.log).toEqual(['update 0', 'disk 0', 'closed 0', 'update 1']);
  });

  it('whoever follows a channel has the open candle as it is, whatever came (property)', () => {
    const step = fc.record({
      kind: fc.constantFrom('trade', 'trade', 'trade', 'late', 'advance', 'gap'),
      afterMs: fc.nat({ max: 2 * MINUTE_MS }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const engine = new CandleEngine(GRACE_MS, 7);
        const seen = new Map<Interval, Candle | null>();
        let now = START;
        for (const [i, { kind, afterMs }] of steps.entries()) {
          now += kind === 'late' ? 0 : afterMs;
          if (kind === 'advance') engine.advance('X', now);
          else if (kind === 'gap') engine.gap('X', now - afterMs, now, 'test');
          else engine.apply(tradeAt(kind === 'late' ? now - afterMs : now, i + 1));
          for (const event of engine.takeEvents()) {
            const open = seen.get(event.interval) ?? null;
            const end = event.kind === 'closed' ? event.candle.openTime : Number.NEGATIVE_INFINITY;
            if (open !== null && open.openTime <= end) seen.set(event.interval, null);
          }
          if (engine.takeChanged().length > 0)
            for (const interval of INTERVALS) seen.set(interval, shown(engine.open('X', interval)));
          for (const interval of INTERVALS)
            expect(shown(engine.open('X', interval))).toEqual(seen.get(interval) ?? null);
        }
      }),
    );
  });

  it('holds a close back while the disk refuses it, and sends it once when it takes it', async () => {
    const bench = new Bench();
    await bench.pipeline.start();
    bench.trade(START);
    bench.failures = 3;
    bench.pipeline.advance('X', START + MINUTE_MS + GRACE_MS);
    await bench.clock.run(START + 2500);
    expect(bench.log).toEqual(['failed', 'failed', 'failed']);
    await expect(bench.pipeline.window('X', '1m')).rejects.toThrow();
    await bench.clock.run(START + 4000);
    expect(bench.log).toEqual(['failed', 'failed', 'failed', 'disk 0', 'closed 0']);
    expect((await bench.pipeline.window('X', '1m'))?.closed).toHaveLength(1);
  });

  it('has everything out when it has stopped', async () => {
    const bench = new Bench();
    await bench.pipeline.start();
    bench.trade(START);
    bench.trade(START + MINUTE_MS);
    bench.pipeline.advance('X', START + MINUTE_MS + GRACE_MS);
    await bench.pipeline.stop();
    expect(bench.log).toEqual(['disk 0', 'closed 0', 'update 1']);
  });
});

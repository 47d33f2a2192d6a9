import { expect, test } from 'vitest';
import type { Candle } from '../../src/market/candle.js';
import type { MarketEvent } from '../../src/market/event.js';
import { StageLag } from '../../src/market/stage-lag.js';

const OPEN = 1_700_000_040_000;
const base = { symbol: 'S', interval: '1m' as const, epoch: 1, seq: 2 };
const candle = (more: Partial<Candle>) => ({ openTime: OPEN, revision: 0, lastTradeTime: null, ...more }) as Candle;
const update = (lastTradeTime: number | null): MarketEvent => ({
  ...base,
  kind: 'update',
  candle: candle({ lastTradeTime }),
});
const closed = (more: Partial<Candle>, interval: '1m' | '5m' = '1m'): MarketEvent => ({
  ...{ ...base, interval, kind: 'closed', prev: 1 },
  candle: candle(more),
});
const count = (lag: StageLag, which: 'update' | 'close') => lag[which].cumulative().at(-1);

test('an update is as late as its newest trade, a minute as its end; corrections, longer intervals and history are not late', () => {
  const lag = new StageLag();
  const now = OPEN + 62_000;
  lag.note(update(now - 40), now);
  lag.note(closed({}), now);
  expect([count(lag, 'update'), lag.update.sumSeconds]).toEqual([1, 0.04]);
  expect([count(lag, 'close'), lag.close.sumSeconds]).toEqual([1, 2]);
  lag.note(update(null), now);
  lag.note(update(now - 3_600_000), now);
  lag.note(closed({ revision: 1 }), now);
  lag.note(closed({}, '5m'), now);
  lag.note(closed({}), now + 2 * 3_600_000);
  lag.noteTrade(now - 7_200_000, now);
  expect([count(lag, 'update'), count(lag, 'close')]).toEqual([1, 1]);
});

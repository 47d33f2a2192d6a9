import { expect, it } from 'vitest';
import { WatchedStatuses } from '../../src/app/watched-statuses.js';
import { LocalBus } from '../../src/bus/local.js';
import { silentLog } from '../../src/kit/log.js';
import type { SymbolStatus } from '../../src/market/event.js';
import { ManualClock } from '../feed/manual-clock.js';

const status = (symbol: string, state: SymbolStatus['state']): SymbolStatus => {
  return { symbol, source: 'demo', synthetic: true, state, since: 1, lastTradeTime: 7 };
};

it('a symbol is stale from when nobody makes it until somebody does; one that has ended stays so', () => {
  const bus = new LocalBus(async () => null);
  const clock = new ManualClock(1000);
  const made = new Set(['A', 'B']);
  const watched = new WatchedStatuses(bus, ({ symbol }) => made.has(symbol), clock, silentLog);
  const heard: SymbolStatus[][] = [];
  watched.onStatus((changed) => heard.push([...changed]));
  bus.publishStatus([status('A', 'live'), status('B', 'live'), status('C', 'ended')]);
  watched.look();
  expect(heard.splice(0)).toEqual([[status('A', 'live'), status('B', 'live'), status('C', 'ended')]]);

  made.delete('B');
  watched.look();
  watched.look();
  const stale = { ...status('B', 'stale'), since: 1000 };
  expect(heard.splice(0)).toEqual([[stale]]);
  expect(watched.statuses()).toEqual([status('A', 'live'), stale, status('C', 'ended')]);

  made.add('B');
  bus.publishStatus([status('B', 'starting')]);
  watched.look();
  expect(heard).toEqual([[stale], [status('B', 'starting')]]);
});

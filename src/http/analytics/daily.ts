import type { DailyAnswer } from '../../wire/analytics.js';
import { symbol } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfSymbols } from './find.js';
import { period } from './parameters.js';
import { checkPeriod } from './period.js';
import type { Resource } from './resource.js';

const REACH = { usualDays: 365, lookBack: 1 };
export const DAILY_PARAMETERS = { symbol, ...period(REACH.usualDays) } as const;

/** GET /v1/analytics/daily?symbol[&from|days][&to] → the days, each with its return, and the holes between them. */
export const dailyResource: Resource<typeof DAILY_PARAMETERS, DailyAnswer> = {
  path: '/v1/analytics/daily',
  parameters: DAILY_PARAMETERS,
  check: checkPeriod,
  answer: async ({ asked, ...from }) => {
    const found = await periodOfSymbols(from, [asked.symbol], asked, REACH);
    const { head, tail } = periodHead(found);
    const answer = found.days === null ? { days: [], holes: [] } : await from.source.daily(asked.symbol, found.days);
    return { symbol: asked.symbol, ...head, ...answer, ...tail };
  },
  table: ({ days }) => tableOf(['date', 'open', 'high', 'low', 'close', 'volume', 'return'], days),
};

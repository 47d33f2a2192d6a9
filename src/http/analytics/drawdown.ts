import type { DrawdownAnswer } from '../../wire/analytics.js';
import { symbol } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfSymbols } from './find.js';
import { period } from './parameters.js';
import { checkPeriod } from './period.js';
import type { Resource } from './resource.js';

const REACH = { usualDays: 365, lookBack: 0 };
export const DRAWDOWN_PARAMETERS = { symbol, ...period(REACH.usualDays) } as const;

const NOTHING = { cumulativeReturn: null, maxDrawdown: null, points: [] };

/** GET /v1/analytics/drawdown?symbol[&from|days][&to] → the return since the first close, and how far below its peak each one is. */
export const drawdownResource: Resource<typeof DRAWDOWN_PARAMETERS, DrawdownAnswer> = {
  path: '/v1/analytics/drawdown',
  parameters: DRAWDOWN_PARAMETERS,
  check: checkPeriod,
  answer: async ({ asked, ...from }) => {
    const found = await periodOfSymbols(from, [asked.symbol], asked, REACH);
    const { head, tail } = periodHead(found);
    const answer = found.days === null ? NOTHING : await from.source.drawdown(asked.symbol, found.days);
    return { symbol: asked.symbol, ...head, ...answer, ...tail };
  },
  table: ({ points }) => tableOf(['date', 'close', 'cumulative', 'drawdown'], points),
};

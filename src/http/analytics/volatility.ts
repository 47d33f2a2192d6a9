import type { VolatilityAnswer } from '../../wire/analytics.js';
import { integer, symbol } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfSymbols } from './find.js';
import { period } from './parameters.js';
import { checkPeriod } from './period.js';
import type { Resource } from './resource.js';

const USUAL_DAYS = 365;
export const VOLATILITY_PARAMETERS = {
  symbol,
  ...period(USUAL_DAYS),
  window: integer('Days that each point looks back over.', 2, 365, 30),
} as const;

const NOTHING = { realised: null, parkinson: null, returns: 0, days: 0, points: [] };

/** GET /v1/analytics/volatility?symbol[&from|days][&to][&window] → a year's volatility, of the whole period and day by day. */
export const volatilityResource: Resource<typeof VOLATILITY_PARAMETERS, VolatilityAnswer> = {
  path: '/v1/analytics/volatility',
  parameters: VOLATILITY_PARAMETERS,
  check: checkPeriod,
  answer: async ({ asked, ...from }) => {
    const { symbol, window } = asked;
    const found = await periodOfSymbols(from, [symbol], asked, { usualDays: USUAL_DAYS, lookBack: window });
    const { head, tail } = periodHead(found);
    const answer = found.days === null ? NOTHING : await from.source.volatility(symbol, found.days, window);
    return { symbol, ...head, window, ...answer, ...tail };
  },
  table: ({ points }) => tableOf(['date', 'realised', 'parkinson', 'returns', 'days'], points),
};

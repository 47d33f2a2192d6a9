import type { SeasonalityAnswer } from '../../wire/analytics.js';
import { symbol } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfSymbols } from './find.js';
import { MAX_DAYS, period } from './parameters.js';
import { checkPeriod } from './period.js';
import type { Resource } from './resource.js';

const REACH = { usualDays: MAX_DAYS, lookBack: 1 };
export const SEASONALITY_PARAMETERS = { symbol, ...period(REACH.usualDays) } as const;

const NO_RETURNS = { mean: null, median: null, positive: null, returns: 0 };
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);
const NOTHING: Pick<SeasonalityAnswer, 'weekdays' | 'months'> = {
  weekdays: upTo(7).map((weekday) => ({ weekday, ...NO_RETURNS })),
  months: upTo(12).map((month) => ({ month, ...NO_RETURNS })),
};

/** GET /v1/analytics/seasonality?symbol[&from|days][&to] → what the weekdays and the months were like. */
export const seasonalityResource: Resource<typeof SEASONALITY_PARAMETERS, SeasonalityAnswer> = {
  path: '/v1/analytics/seasonality',
  parameters: SEASONALITY_PARAMETERS,
  check: checkPeriod,
  answer: async ({ asked, ...from }) => {
    const found = await periodOfSymbols(from, [asked.symbol], asked, REACH);
    const { head, tail } = periodHead(found);
    const answer = found.days === null ? NOTHING : await from.source.seasonality(asked.symbol, found.days);
    return { symbol: asked.symbol, ...head, ...answer, ...tail };
  },
  table: ({ weekdays, months }) =>
    tableOf(
      ['by', 'number', 'mean', 'median', 'positive', 'returns'],
      [
        ...weekdays.map(({ weekday, ...season }) => ({ by: 'weekday', number: weekday, ...season })),
        ...months.map(({ month, ...season }) => ({ by: 'month', number: month, ...season })),
      ],
    ),
};

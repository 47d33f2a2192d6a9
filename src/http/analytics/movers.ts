import type { MoversAnswer } from '../../wire/analytics.js';
import { integer } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfMarket } from './find.js';
import { days, to } from './parameters.js';
import type { Resource } from './resource.js';

const MAX_LIMIT = 100;
const REACH = { usualDays: 1, lookBack: 0 };
export const MOVERS_PARAMETERS = {
  days: days('Length of the window, which ends with the newest day.', REACH.usualDays),
  to,
  limit: integer('Gainers, and losers.', 1, MAX_LIMIT, 10),
} as const;

const NOBODY = { gainers: [], losers: [], symbols: 0, leftOut: 0 };

/** GET /v1/analytics/movers[?days][&to][&limit] → who has gained and lost most from the first open to the last close. */
export const moversResource: Resource<typeof MOVERS_PARAMETERS, MoversAnswer> = {
  path: '/v1/analytics/movers',
  parameters: MOVERS_PARAMETERS,
  answer: async ({ asked, ...from }) => {
    const found = await periodOfMarket(from, { ...asked, from: null }, REACH);
    const { head, tail } = periodHead(found);
    const answer = found.days === null ? NOBODY : await from.source.movers(found.days, asked.limit);
    return { ...head, ...answer, ...tail };
  },
  table: ({ gainers, losers }) =>
    tableOf(
      ['side', 'symbol', 'open', 'close', 'change'],
      [
        ...gainers.map((mover) => ({ side: 'gainer', ...mover })),
        ...losers.map((mover) => ({ side: 'loser', ...mover })),
      ],
    ),
};

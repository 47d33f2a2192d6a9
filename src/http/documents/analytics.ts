import { z } from 'zod';
import * as wire from '../../wire/analytics.js';
import type { Parameters } from '../../wire/parameter.js';
import { correlationResource } from '../analytics/correlation.js';
import { dailyResource } from '../analytics/daily.js';
import { drawdownResource } from '../analytics/drawdown.js';
import { moversResource } from '../analytics/movers.js';
import { format } from '../analytics/parameters.js';
import type { Resource } from '../analytics/resource.js';
import { seasonalityResource } from '../analytics/seasonality.js';
import { volatilityResource } from '../analytics/volatility.js';
import { volumeResource } from '../analytics/volume.js';
import { refused, unauthorized, unavailable } from './answers.js';
import type { Operation, Section } from './operation.js';

const unknown = { 404: refused('No feed has such a symbol and nothing is stored for it.', ['unknown_symbol']) };

function operation<P extends Parameters, A>(
  { path, parameters }: Resource<P, A>,
  id: string,
  summary: string,
  schema: z.ZodType<A>,
): Operation {
  return {
    method: 'GET',
    path,
    id,
    summary,
    access: 'visitors',
    parameters: { ...parameters, format },
    answers: {
      200: {
        description: 'JSON, or with `format=csv` or `Accept: text/csv` its rows as text/csv.',
        schema,
        textType: 'text/csv',
      },
      400: refused('A parameter is missing, unknown or wrong, or it asks for too much: then it says what would fit.'),
      401: unauthorized,
      403: refused('The plan lacks the interval 1d, or the API key the scope `candles`.', ['plan_limit', 'forbidden'], {
        plan: z.string(),
        limit: z.literal('intervals'),
      }),
      ...('symbol' in parameters || 'symbols' in parameters ? unknown : {}),
      503: unavailable('analytics_unavailable', 'accounts_unavailable'),
    },
  };
}

export const analyticsSection: Section = {
  name: 'Analytics',
  description:
    'Figures from whole UTC days, as 64-bit floats. A day that is missing is never made up: the day after it has no return. Formulas and sources: docs/analytics.md.',
  operations: [
    operation(dailyResource, 'readDaily', 'Daily history of a symbol, with returns and holes', wire.dailyAnswer),
    operation(moversResource, 'readMovers', 'Who has gained and lost most', wire.moversAnswer),
    operation(volatilityResource, 'readVolatility', 'Realised and Parkinson volatility', wire.volatilityAnswer),
    operation(drawdownResource, 'readDrawdown', 'Cumulative return and drawdown', wire.drawdownAnswer),
    operation(correlationResource, 'readCorrelation', 'Correlation of daily returns', wire.correlationAnswer),
    operation(volumeResource, 'readVolume', 'Ranking by volume', wire.volumeAnswer),
    operation(seasonalityResource, 'readSeasonality', 'Returns by weekday and by month', wire.seasonalityAnswer),
  ],
};

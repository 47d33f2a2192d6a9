import type { CorrelationAnswer } from '../../wire/analytics.js';
import { optional } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfMarket, periodOfSymbols } from './find.js';
import { period, symbols } from './parameters.js';
import { checkPeriod } from './period.js';
import type { Resource } from './resource.js';

/** Where none are named: those that trade most. */
const USUAL_SYMBOLS = 20;
const REACH = { usualDays: 90, lookBack: 1 };
export const CORRELATION_PARAMETERS = {
  symbols: {
    ...optional(symbols),
    description: `${symbols.description} Without them: the ${USUAL_SYMBOLS} with the most volume.`,
  },
  ...period(REACH.usualDays),
} as const;

/** GET /v1/analytics/correlation[?symbols][&from|days][&to] → how the daily log returns of each two symbols go together. */
export const correlationResource: Resource<typeof CORRELATION_PARAMETERS, CorrelationAnswer> = {
  path: '/v1/analytics/correlation',
  parameters: CORRELATION_PARAMETERS,
  check: checkPeriod,
  answer: async ({ asked, ...from }) => {
    const found =
      asked.symbols === null
        ? await periodOfMarket(from, asked, REACH)
        : await periodOfSymbols(from, asked.symbols, asked, REACH);
    const { head, tail } = periodHead(found);
    const { days } = found;
    if (days === null) return { ...head, ...nothing(asked.symbols ?? []), ...tail };
    const names =
      asked.symbols ?? (await from.source.volume(days, null, USUAL_SYMBOLS)).ranking.map((one) => one.symbol);
    return { ...head, symbols: [...names], ...(await from.source.correlation(names, days)), ...tail };
  },
  table: ({ symbols: names, matrix, observations }) =>
    tableOf(
      ['symbol', 'other', 'correlation', 'observations'],
      names.flatMap((symbol, i) =>
        names.map((other, j) => ({
          symbol,
          other,
          correlation: matrix[i]?.[j] ?? null,
          observations: observations[i]?.[j] ?? 0,
        })),
      ),
    ),
};

function nothing(names: readonly string[]): Pick<CorrelationAnswer, 'symbols' | 'matrix' | 'observations'> {
  const square = <T>(value: T) => names.map(() => names.map(() => value));
  return { symbols: [...names], matrix: square(null), observations: square(0) };
}

import type { VolumeAnswer } from '../../wire/analytics.js';
import { assetsOf, NO_QUOTE } from '../binance/assets.js';
import { integer, optional } from '../parameters.js';
import { tableOf } from './csv.js';
import { periodHead, periodOfMarket } from './find.js';
import { days, quote, to } from './parameters.js';
import type { Resource } from './resource.js';

const MAX_LIMIT = 1000;
const REACH = { usualDays: 30, lookBack: 0 };
export const VOLUME_PARAMETERS = {
  days: days('Length of the window, which ends with the newest day.', REACH.usualDays),
  to,
  quote: optional(quote),
  limit: integer('Symbols of the ranking.', 1, MAX_LIMIT, 20),
} as const;

/** GET /v1/analytics/volume[?days][&to][&quote][&limit] → who has traded most, each in its own quote currency. */
export const volumeResource: Resource<typeof VOLUME_PARAMETERS, VolumeAnswer> = {
  path: '/v1/analytics/volume',
  parameters: VOLUME_PARAMETERS,
  answer: async ({ asked, ...from }) => {
    const found = await periodOfMarket(from, { ...asked, from: null }, REACH);
    const { head, tail } = periodHead(found);
    if (found.days === null) return { ...head, ranking: [], symbols: 0, ...tail };
    const { ranking, symbols } = await from.source.volume(found.days, asked.quote, asked.limit);
    const named = ranking.map(({ rank, symbol, ...figures }) => ({ rank, symbol, quote: quoteOf(symbol), ...figures }));
    return { ...head, ranking: named, symbols, ...tail };
  },
  table: ({ ranking }) => tableOf(['rank', 'symbol', 'quote', 'quoteVolume', 'volume', 'share', 'days'], ranking),
};

/** null: the name does not tell. */
function quoteOf(symbol: string): string | null {
  const { quote: name } = assetsOf(symbol);
  return name === NO_QUOTE ? null : name;
}

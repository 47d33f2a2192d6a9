import { isSymbol } from '../../market/symbol.js';
import { asDigits, asFields, asList, asText, type Fields, isoToMs, requireId } from './json.js';
import { seekById } from './seek.js';
import type { Get, RawTrade, Venue, VenueMessage } from './venue.js';

const PAGE = 1000;

/**
 * Coinbase Exchange. Shapes: docs.cdp.coinbase.com/exchange (channels `matches` and `heartbeat`; 10 public requests a second,
 * 8 messages a second a connection). A heartbeat names the newest trade id every second, so that a quiet product is known to
 * be quiet; `last_match` after subscribing shows at once what was missed.
 */
export const coinbase: Venue = {
  name: 'coinbase',
  urls: { ws: 'wss://ws-feed.exchange.coinbase.com', rest: 'https://api.exchange.coinbase.com' },
  limits: {
    symbolsPerConnection: 100,
    symbolsPerSubscribe: 100,
    messageEveryMs: 250,
    connectionLifeMs: null,
    requestEveryMs: 150,
  },
  toSymbol: (native) => (/^[A-Z0-9]+-[A-Z0-9]+$/.test(native) && isSymbol(native) ? native : null),
  subscribe: (natives) => ({
    text: JSON.stringify({ type: 'subscribe', product_ids: natives, channels: ['matches', 'heartbeat'] }),
    acks: 1,
  }),
  parse,
  page: (get, native, fromId) => trades(get, native, `after=${fromId + PAGE}&limit=${PAGE}`, fromId),
  newest: async (get, native) => {
    const last = (await trades(get, native, 'limit=1', 0)).at(-1);
    return last === undefined ? null : requireId(last.id);
  },
  seek: (get, native, timeMs) =>
    seekById(timeMs, {
      newest: () => coinbase.newest(get, native),
      timeAt: async (id) => {
        const trade = (await trades(get, native, `after=${id + 1}&limit=1`, 0)).at(-1);
        return trade === undefined ? null : Number(trade.time);
      },
    }),
};

function parse(text: string): VenueMessage[] {
  const frame = asFields(JSON.parse(text));
  const native = asText(frame.product_id);
  switch (frame.type) {
    case 'match':
    case 'last_match':
      return [{ kind: 'trade', native, trade: tradeOf(frame) }];
    case 'heartbeat':
      return heartbeat(native, frame);
    case 'subscriptions':
      return [{ kind: 'subscribed' }];
    case 'error':
      return [refusal(`${asText(frame.message)} ${asText(frame.reason)}`.trim())];
    default:
      return [];
  }
}

/** "Failed to subscribe XYZ-USD is not a valid product": nothing of the message was subscribed. */
function refusal(reason: string): VenueMessage {
  return { kind: 'refused', native: /[A-Z0-9]+-[A-Z0-9]+/.exec(reason)?.[0] ?? null, reason, whole: true };
}

function heartbeat(native: string, frame: Fields): VenueMessage[] {
  const untilMs = Number(isoToMs(frame.time));
  if (typeof frame.last_trade_id !== 'number' || untilMs === 0) return [];
  const beat = { fromMs: untilMs, untilMs, lastId: frame.last_trade_id, complete: false };
  return [{ kind: 'beat', native, beat }];
}

/** `side` is the maker's. */
function tradeOf(trade: Fields): RawTrade {
  const side = trade.side === 'sell' ? 'buy' : trade.side === 'buy' ? 'sell' : '';
  return {
    id: asDigits(trade.trade_id),
    time: isoToMs(trade.time),
    price: asText(trade.price),
    quantity: asText(trade.size),
    side,
  };
}

/** The venue answers the newest first. */
async function trades(get: Get, native: string, query: string, fromId: number): Promise<RawTrade[]> {
  const list = asList(JSON.parse(await get(`/products/${native}/trades?${query}`)));
  const ascending = list.map((item) => tradeOf(asFields(item))).reverse();
  return ascending.filter((trade) => requireId(trade.id) >= fromId);
}

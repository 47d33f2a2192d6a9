import { isSymbol } from '../../market/symbol.js';
import { asFields, asList, asText, type Fields, isoToMs, parseExact, plainNumber, requireId } from './json.js';
import { RefusedError } from './rest.js';
import type { Get, RawTrade, Venue, VenueMessage } from './venue.js';

const PAGE = 1000;
const NS_PER_MS = 1_000_000n;
/** Said with status 200. */
const UNKNOWN_PAIR = 'EQuery:Unknown asset pair';
/** Names that REST knows by the old code. */
const OLD_CODES: Readonly<Record<string, string>> = { BTC: 'XBT', DOGE: 'XDG' };

/**
 * Kraken spot, WebSocket v2. Shapes: docs.kraken.com/api (channel `trade`; `trade_id` counts up for each pair; about one public
 * REST request a second). Prices come as JSON numbers: they are taken from the text, never through a float.
 */
export const kraken: Venue = {
  name: 'kraken',
  urls: { ws: 'wss://ws.kraken.com/v2', rest: 'https://api.kraken.com' },
  limits: {
    symbolsPerConnection: 100,
    symbolsPerSubscribe: 50,
    messageEveryMs: 250,
    connectionLifeMs: null,
    requestEveryMs: 1100,
  },
  toSymbol: (native) => {
    const symbol = native.replace('/', '-');
    return /^[A-Z0-9.]+\/[A-Z0-9.]+$/.test(native) && isSymbol(symbol) ? symbol : null;
  },
  subscribe: (natives, number) => ({
    text: JSON.stringify({
      method: 'subscribe',
      params: { channel: 'trade', symbol: natives, snapshot: true },
      req_id: number,
    }),
    acks: natives.length,
  }),
  parse,
  page,
  newest: async (get, native) => {
    const last = (await trades(get, native, 'count=1')).at(-1);
    return last === undefined ? null : requireId(last.id);
  },
  seek: async (get, native, timeMs) => {
    const first = (await trades(get, native, `since=${sinceOf(timeMs)}&count=1`))[0];
    return first === undefined ? null : requireId(first.id);
  },
};

function parse(text: string): VenueMessage[] {
  const frame = asFields(parseExact(text));
  if (frame.method === 'subscribe') {
    if (frame.success === true) return [{ kind: 'subscribed' }];
    // Each pair is answered for itself.
    return [{ kind: 'refused', native: asText(frame.symbol), reason: asText(frame.error), whole: false }];
  }
  if (frame.channel !== 'trade') return [];
  return asList(frame.data).map((item) => {
    const trade = asFields(item);
    return { kind: 'trade', native: asText(trade.symbol), trade: streamed(trade) };
  });
}

function streamed(trade: Fields): RawTrade {
  return {
    id: asText(trade.trade_id),
    time: isoToMs(trade.timestamp),
    price: plainNumber(asText(trade.price)),
    quantity: plainNumber(asText(trade.qty)),
    side: asText(trade.side),
  };
}

/** REST knows times only: `since` is exclusive, in ns. */
function sinceOf(timeMs: number): bigint {
  return BigInt(Math.max(0, timeMs)) * NS_PER_MS - 1n;
}

async function page(get: Get, native: string, fromId: number, afterMs: number): Promise<readonly RawTrade[]> {
  for (let since = afterMs; ; ) {
    const list = await trades(get, native, `since=${sinceOf(since)}&count=${PAGE}`);
    const wanted = list.filter((trade) => requireId(trade.id) >= fromId);
    const last = list.at(-1);
    if (wanted.length > 0 || last === undefined || list.length < PAGE) return wanted;
    since = Math.max(since + 1, Number(last.time));
  }
}

async function trades(get: Get, native: string, query: string): Promise<RawTrade[]> {
  const answer = asFields(parseExact(await get(`/0/public/Trades?pair=${pairOf(native)}&${query}`)));
  const errors = asList(answer.error).map(asText);
  if (errors.includes(UNKNOWN_PAIR)) throw new RefusedError(404, UNKNOWN_PAIR);
  if (errors.length > 0) throw new Error(`Kraken: ${errors.join(', ')}`);
  const list = Object.entries(asFields(answer.result)).find(([name]) => name !== 'last')?.[1];
  return asList(list).map(recorded);
}

/** [price, volume, time in seconds, b or s, type, miscellaneous, id] */
function recorded(item: unknown): RawTrade {
  const [price, quantity, time, side, , , id] = asList(item);
  return {
    id: asText(id),
    time: secondsToMs(asText(time)),
    price: asText(price),
    quantity: asText(quantity),
    side: side === 'b' ? 'buy' : side === 's' ? 'sell' : '',
  };
}

/** Cut off below the millisecond, as the stream's times are. */
function secondsToMs(text: string): string {
  const [seconds = '', fraction = ''] = text.split('.');
  return /^\d+$/.test(seconds) ? `${seconds}${fraction.slice(0, 3).padEnd(3, '0')}` : '';
}

function pairOf(native: string): string {
  return native
    .split('/')
    .map((code) => OLD_CODES[code] ?? code)
    .join('');
}

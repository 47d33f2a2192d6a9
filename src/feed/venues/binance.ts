import { MINUTE_MS } from '../../market/interval.js';
import { isSymbol } from '../../market/symbol.js';
import { asDigits, asFields, asList, asText, type Fields, isFields, requireId } from './json.js';
import type { Get, RawTrade, Subscription, Venue, VenueMessage } from './venue.js';

/** Most trades of one REST answer. */
const PAGE = 1000;

/** `trade`: every trade. `aggTrade`: fills of one order at one price as one trade, less traffic and a smaller trade count. */
export type BinanceStream = 'trade' | 'aggTrade';

/**
 * Binance spot, and whoever speaks its dialect. Limits and shapes: developers.binance.com/docs/binance-spot-api-docs
 * (1,024 streams a connection, 5 messages a second, connections of 24 h; 6,000 weight a minute, 25 a page of trades).
 * A symbol that it does not have is subscribed like any other and stays silent; REST tells (400, -1121).
 * The closing kline of a minute names its last trade id, which proves that a quiet minute was quiet.
 */
export function binance(stream: BinanceStream = 'trade'): Venue {
  const isRaw = stream === 'trade';
  return {
    name: 'binance',
    urls: { ws: 'wss://stream.binance.com:9443/stream', rest: 'https://api.binance.com' },
    limits: {
      symbolsPerConnection: 200,
      symbolsPerSubscribe: 50,
      messageEveryMs: 300,
      connectionLifeMs: 24 * 3_600_000,
      requestEveryMs: isRaw ? 300 : 60,
    },
    toSymbol: (native) => (/^[A-Z0-9]+$/.test(native) && isSymbol(native) ? native : null),
    subscribe: (natives, number) => subscribe(natives, number, stream),
    parse: (text) => parse(text, isRaw),
    page: (get, native, fromId) => (isRaw ? rawPage(get, native, fromId) : aggPage(get, native, `fromId=${fromId}`)),
    newest: (get, native) => newest(get, native, isRaw),
    seek: (get, native, timeMs) => seek(get, native, timeMs, isRaw),
  };
}

function subscribe(natives: readonly string[], number: number, stream: BinanceStream): Subscription {
  const params = natives.flatMap((native) => {
    const name = native.toLowerCase();
    return [`${name}@${stream}`, `${name}@kline_1m`];
  });
  return { text: JSON.stringify({ method: 'SUBSCRIBE', params, id: number }), acks: 1 };
}

function parse(text: string, isRaw: boolean): VenueMessage[] {
  const frame = asFields(JSON.parse(text));
  if ('result' in frame) return [{ kind: 'subscribed' }];
  if (isFields(frame.error)) return [{ kind: 'refused', native: null, reason: asText(frame.error.msg), whole: true }];
  const event = isFields(frame.data) ? frame.data : frame;
  switch (event.e) {
    case 'trade':
    case 'aggTrade':
      return [{ kind: 'trade', native: asText(event.s), trade: tradeOf(event) }];
    case 'kline':
      return isRaw ? klineBeat(asText(event.s), asFields(event.k)) : [];
    case 'serverShutdown':
      return [{ kind: 'closing' }];
    default:
      return [];
  }
}

function tradeOf(event: Fields): RawTrade {
  return {
    id: asDigits(event.e === 'trade' ? event.t : event.a),
    time: asDigits(event.T),
    price: asText(event.p),
    quantity: asText(event.q),
    side: sideOf(event.m),
  };
}

/** The buyer was the maker: the taker sold. */
function sideOf(buyerIsMaker: unknown): string {
  if (typeof buyerIsMaker !== 'boolean') return '';
  return buyerIsMaker ? 'sell' : 'buy';
}

/** Only of a closed minute: what an open one says is older than the trades that came with it. */
function klineBeat(native: string, kline: Fields): VenueMessage[] {
  if (kline.i !== '1m' || kline.x !== true || typeof kline.t !== 'number' || typeof kline.L !== 'number') return [];
  const lastId = kline.L < 0 ? null : kline.L;
  const beat = { fromMs: kline.t, untilMs: kline.t + MINUTE_MS, lastId, complete: true };
  return [{ kind: 'beat', native, beat }];
}

async function rawPage(get: Get, native: string, fromId: number): Promise<RawTrade[]> {
  return rawTrades(await get(`/api/v3/historicalTrades?symbol=${native}&fromId=${fromId}&limit=${PAGE}`));
}

function rawTrades(body: string): RawTrade[] {
  return asList(JSON.parse(body)).map((item) => {
    const trade = asFields(item);
    return {
      id: asDigits(trade.id),
      time: asDigits(trade.time),
      price: asText(trade.price),
      quantity: asText(trade.qty),
      side: sideOf(trade.isBuyerMaker),
    };
  });
}

async function aggregates(get: Get, native: string, query: string): Promise<Fields[]> {
  return asList(JSON.parse(await get(`/api/v3/aggTrades?symbol=${native}&${query}`))).map(asFields);
}

async function aggPage(get: Get, native: string, query: string): Promise<RawTrade[]> {
  return (await aggregates(get, native, `${query}&limit=${PAGE}`)).map((trade) => tradeOf({ e: 'aggTrade', ...trade }));
}

async function newest(get: Get, native: string, isRaw: boolean): Promise<number | null> {
  const last = (await aggregates(get, native, 'limit=1')).at(-1);
  return last === undefined ? null : requireId(asDigits(isRaw ? last.l : last.a));
}

async function seek(get: Get, native: string, timeMs: number, isRaw: boolean): Promise<number | null> {
  const [first] = await aggregates(get, native, `startTime=${timeMs}&limit=1`);
  return first === undefined ? null : requireId(asDigits(isRaw ? first.f : first.a));
}

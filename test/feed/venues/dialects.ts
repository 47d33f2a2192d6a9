import type { BinanceStream } from '../../../src/feed/venues/binance.js';
import type { TrueTrade } from './truth.js';

/** How a venue's server speaks. What it sends differs from what it means only where a script says so. */
export interface Dialect {
  /** Native symbols of a subscribe message, and what answers it. */
  subscribed(message: string): { natives: string[]; answers: string[] };
  trade(trade: TrueTrade): string;
  /** The true trade with one part replaced by something that it must not be. */
  poisoned(trade: TrueTrade, part: 'price' | 'quantity' | 'time' | 'id' | 'side', value: unknown): string;
  /** What is said at the end of a minute or every second, where the venue does that; `last` is the newest trade by then. */
  minuteEnd(native: string, openMs: number, trades: readonly TrueTrade[]): string | null;
  second(native: string, nowMs: number, last: TrueTrade | undefined): string | null;
  closing(nowMs: number): string | null;
  /** The answer to a REST request over the trades that REST knows of, ascending; null: no such path. */
  rest(url: URL, known: (native: string) => readonly TrueTrade[]): string | null;
  /** Drops one trade in the middle of an answer. */
  lacking(answer: string): string;
}

const iso = (ms: number): string => new Date(ms).toISOString().replace('Z', '123Z');

export function binanceDialect(stream: BinanceStream): Dialect {
  const event = (t: TrueTrade, changed: object) => ({
    e: stream,
    E: t.time + 2,
    s: t.native,
    ...(stream === 'trade' ? { t: t.id } : { a: t.id, f: t.id, l: t.id }),
    p: t.price,
    q: t.quantity,
    T: t.time,
    m: t.side === 'sell',
    M: true,
    ...changed,
  });
  const frame = (t: TrueTrade, changed: object) =>
    JSON.stringify({ stream: `${t.native.toLowerCase()}@${stream}`, data: event(t, changed) });
  const names = { price: 'p', quantity: 'q', time: 'T', id: stream === 'trade' ? 't' : 'a', side: 'm' };
  const aggregate = (t: TrueTrade) => {
    const [a, side] = [t.id, t.side === 'sell'];
    return { a, p: t.price, q: t.quantity, f: t.id, l: t.id, T: t.time, m: side, M: true };
  };
  const historical = (t: TrueTrade) => {
    const quoteQty = '0';
    return { id: t.id, price: t.price, qty: t.quantity, quoteQty, time: t.time, isBuyerMaker: t.side === 'sell' };
  };
  return {
    subscribed: (message) => {
      const { params, id } = JSON.parse(message) as { params: string[]; id: number };
      const natives = params.filter((name) => name.endsWith(`@${stream}`)).map((name) => name.split('@')[0] ?? '');
      return { natives: natives.map((name) => name.toUpperCase()), answers: [JSON.stringify({ result: null, id })] };
    },
    trade: (t) => frame(t, {}),
    poisoned: (t, part, value) => frame(t, { [names[part]]: value }),
    minuteEnd: (native, openMs, trades) => {
      const [first, last] = [trades[0]?.id ?? -1, trades.at(-1)?.id ?? -1];
      const k = { t: openMs, T: openMs + 59_999, s: native, i: '1m', f: first, L: last, n: trades.length, x: true };
      return JSON.stringify({ stream: `${native.toLowerCase()}@kline_1m`, data: { e: 'kline', s: native, k } });
    },
    second: () => null,
    closing: (E) => JSON.stringify({ stream: '!serverShutdown', data: { e: 'serverShutdown', E } }),
    rest: ({ pathname, searchParams }, known) => {
      const trades = known(searchParams.get('symbol') ?? '');
      const limit = Number(searchParams.get('limit') ?? 500);
      const fromId = searchParams.get('fromId');
      const startTime = searchParams.get('startTime');
      const from = trades.findIndex((t) =>
        fromId !== null ? t.id >= Number(fromId) : startTime !== null && t.time >= Number(startTime),
      );
      const asked = fromId !== null || startTime !== null;
      const list = asked ? (from < 0 ? [] : trades.slice(from, from + limit)) : trades.slice(-limit);
      if (pathname === '/api/v3/historicalTrades') return JSON.stringify(list.map(historical));
      return pathname === '/api/v3/aggTrades' ? JSON.stringify(list.map(aggregate)) : null;
    },
    lacking,
  };
}

function lacking(answer: string): string {
  const list = JSON.parse(answer) as unknown[];
  if (Array.isArray(list) && list.length > 2) list.splice(Math.floor(list.length / 2), 1);
  return JSON.stringify(list);
}

export function coinbaseDialect(): Dialect {
  const maker = (t: TrueTrade) => (t.side === 'buy' ? 'sell' : 'buy');
  const match = (t: TrueTrade, changed: object) => {
    const [trade_id, side, time] = [t.id, maker(t), iso(t.time)];
    const rest = { size: t.quantity, price: t.price, product_id: t.native, sequence: t.id + 7 };
    return JSON.stringify({ type: 'match', trade_id, maker_order_id: 'x', side, ...rest, time, ...changed });
  };
  const names = { price: 'price', quantity: 'size', time: 'time', id: 'trade_id', side: 'side' };
  return {
    subscribed: (message) => {
      const { product_ids } = JSON.parse(message) as { product_ids: string[] };
      return { natives: product_ids, answers: [JSON.stringify({ type: 'subscriptions', channels: [] })] };
    },
    trade: (t) => match(t, {}),
    poisoned: (t, part, value) => match(t, { [names[part]]: value }),
    minuteEnd: () => null,
    second: (product_id, nowMs, last) =>
      last === undefined
        ? null
        : JSON.stringify({ type: 'heartbeat', sequence: 1, last_trade_id: last.id, product_id, time: iso(nowMs) }),
    closing: () => null,
    rest: ({ pathname, searchParams }, known) => {
      const native = /^\/products\/([^/]+)\/trades$/.exec(pathname)?.[1];
      if (native === undefined) return null;
      const after = Number(searchParams.get('after') ?? Number.POSITIVE_INFINITY);
      const list = known(native).filter(({ id }) => id < after);
      const newestFirst = list.slice(-Number(searchParams.get('limit'))).reverse();
      return JSON.stringify(
        newestFirst.map((t) => {
          const [trade_id, side, time] = [t.id, maker(t), iso(t.time)];
          return { trade_id, side, size: t.quantity, price: t.price, time };
        }),
      );
    },
    lacking,
  };
}

export function krakenDialect(): Dialect {
  const names = { price: 'price', quantity: 'qty', time: 'timestamp', id: 'trade_id', side: 'side' };
  const quoted = new Set(['symbol', 'side', 'ord_type', 'timestamp']);
  /** Numbers are written by hand, as the venue does, so that no digit is lost here either. */
  const update = (t: TrueTrade, changed: Record<string, unknown>) => {
    const fields: Record<string, unknown> = {
      symbol: t.native,
      side: t.side,
      price: t.price,
      qty: t.quantity,
      ord_type: 'limit',
      trade_id: t.id,
      timestamp: iso(t.time),
      ...changed,
    };
    const parts = Object.entries(fields).map(([name, value]) => {
      const isPlain = !quoted.has(name) && /^\d+(\.\d+)?$/.test(String(value));
      return `"${name}":${isPlain ? value : JSON.stringify(value)}`;
    });
    return `{"channel":"trade","type":"update","data":[{${parts.join(',')}}]}`;
  };
  return {
    subscribed: (message) => {
      const { params, req_id } = JSON.parse(message) as { params: { symbol: string[] }; req_id: number };
      const answers = params.symbol.map((symbol) =>
        JSON.stringify({ method: 'subscribe', success: true, req_id, result: { channel: 'trade', symbol } }),
      );
      return { natives: params.symbol, answers };
    },
    trade: (t) => update(t, {}),
    poisoned: (t, part, value) => update(t, { [names[part]]: value }),
    minuteEnd: () => null,
    second: () => '{"channel":"heartbeat"}',
    closing: () => null,
    rest: ({ pathname, searchParams }, known) => {
      if (pathname !== '/0/public/Trades') return null;
      const pair = searchParams.get('pair') ?? '';
      const native = pair === 'XBTUSD' ? 'BTC/USD' : `${pair.slice(0, 3)}/${pair.slice(3)}`;
      const since = searchParams.get('since');
      const count = Number(searchParams.get('count'));
      const trades = known(native);
      // `since` is exclusive, and what it is compared with has microseconds (see iso).
      const after =
        since === null ? null : trades.filter((t) => BigInt(t.time) * 1_000_000n + 123_000n > BigInt(since));
      const list = after === null ? trades.slice(-count) : after.slice(0, count);
      const rows = list.map((t) => {
        const seconds = `${Math.floor(t.time / 1000)}.${String(t.time % 1000).padStart(3, '0')}1230`;
        return `["${t.price}","${t.quantity}",${seconds},"${t.side[0]}","l","",${t.id}]`;
      });
      return `{"error":[],"result":{"X${pair}":[${rows.join(',')}],"last":"1"}}`;
    },
    lacking: (answer) => answer,
  };
}

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { binance } from '../../../src/feed/venues/binance.js';
import { coinbase } from '../../../src/feed/venues/coinbase.js';
import { parseExact, plainNumber } from '../../../src/feed/venues/json.js';
import { kraken } from '../../../src/feed/venues/kraken.js';
import type { Venue, VenueMessage } from '../../../src/feed/venues/venue.js';

function recorded(file: string): string[] {
  const path = fileURLToPath(new URL(`../../fixtures/${file}`, import.meta.url));
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => line.slice(line.indexOf(' ') + 1));
}

function messages(venue: Venue, frames: readonly string[]): VenueMessage[] {
  return frames.flatMap((frame) => venue.parse(frame));
}

describe('recorded frames', () => {
  test('Binance: every aggregate trade, prices as the exchange wrote them', () => {
    const frames = recorded('binance-frames.txt');
    const trades = messages(binance('aggTrade'), frames);
    expect(trades.length).toBe(frames.filter((frame) => frame.includes('@aggTrade')).length);
    expect(trades[0]).toEqual({
      kind: 'trade',
      native: 'NKNUSDT',
      trade: { id: '15683430', time: '1633998523963', price: '0.35280000', quantity: '58.00000000', side: 'buy' },
    });
  });

  test('Binance: only the kline of a closed minute says what the last trade was', () => {
    const beats = messages(binance('trade'), recorded('binance-frames.txt')).filter(({ kind }) => kind === 'beat');
    expect(beats).toEqual([
      {
        kind: 'beat',
        native: 'OMGBUSD',
        beat: { fromMs: 1633998240000, untilMs: 1633998300000, lastId: 439585, complete: true },
      },
    ]);
  });

  test('Coinbase: matches with the side of the taker, and acknowledgements', () => {
    const all = messages(coinbase, recorded('coinbase-frames.txt'));
    expect(all[0]).toEqual({ kind: 'subscribed' });
    const trades = all.filter((message) => message.kind === 'trade');
    const matches = recorded('coinbase-frames.txt').filter((frame) => /"type":"(last_)?match"/.test(frame));
    expect(trades.length).toBe(matches.length);
    expect(trades[0]).toEqual({
      kind: 'trade',
      native: 'BAND-GBP',
      trade: { id: '881613', time: '1618677810244', price: '14.7775', quantity: '0.04', side: 'buy' },
    });
  });

  test('Coinbase: the ids of a product follow each other', () => {
    const last = new Map<string, number>();
    for (const message of messages(coinbase, recorded('coinbase-frames.txt'))) {
      if (message.kind !== 'trade') continue;
      const id = Number(message.trade.id);
      const before = last.get(message.native);
      if (before !== undefined && id > before) expect(id).toBe(before + 1);
      last.set(message.native, Math.max(id, before ?? 0));
    }
    expect(last.size).toBeGreaterThan(5);
  });
});

describe('Kraken', () => {
  const frame =
    '{"channel":"trade","type":"update","data":[{"symbol":"MATIC/USD","side":"sell","price":0.10000000000000000001,"qty":40.0,"ord_type":"market","trade_id":4665906,"timestamp":"2023-09-25T07:49:37.708706Z"},{"symbol":"BTC/USD","side":"buy","price":26000.1,"qty":1.5e-7,"ord_type":"limit","trade_id":7,"timestamp":"2023-09-25T07:49:37.999999Z"}]}';

  test('prices are the digits that were sent', () => {
    expect(kraken.parse(frame)).toEqual([
      {
        kind: 'trade',
        native: 'MATIC/USD',
        trade: {
          id: '4665906',
          time: '1695628177708',
          price: '0.10000000000000000001',
          quantity: '40.0',
          side: 'sell',
        },
      },
      {
        kind: 'trade',
        native: 'BTC/USD',
        trade: { id: '7', time: '1695628177999', price: '26000.1', quantity: '0.00000015', side: 'buy' },
      },
    ]);
  });

  test('REST: the same time as the stream gives, ids, sides', async () => {
    const body =
      '{"error":[],"result":{"XXBTZUSD":[["30243.40000","0.34507674",1688669597.8277369,"b","m","",61044952],["30243.30000","0.00376960",1688669598.2804112,"s","l","",61044953]],"last":"1688671969993150842"}}';
    const asked: string[] = [];
    const page = await kraken.page(
      async (path) => {
        asked.push(path);
        return body;
      },
      'BTC/USD',
      61044953,
      1688669597827,
    );
    expect(asked).toEqual(['/0/public/Trades?pair=XBTUSD&since=1688669597826999999&count=1000']);
    expect(page).toEqual([
      { id: '61044953', time: '1688669598280', price: '30243.30000', quantity: '0.00376960', side: 'sell' },
    ]);
  });

  test('an error inside of a good answer is an error', async () => {
    const answer = async () => '{"error":["EAPI:Rate limit exceeded"],"result":{}}';
    await expect(kraken.newest(answer, 'BTC/USD')).rejects.toThrow('Rate limit');
  });
});

test.each([
  [binance(), 'BTCUSDT', 'BTCUSDT'],
  [binance(), 'btcusdt', null],
  [binance(), 'BTC-USDT', null],
  [coinbase, 'BTC-USD', 'BTC-USD'],
  [coinbase, 'BTCUSD', null],
  [kraken, 'BTC/USD', 'BTC-USD'],
  [kraken, 'BTCUSD', null],
])('%# the symbol %s', (venue, native, symbol) => {
  expect(venue.toSymbol(native)).toBe(symbol);
});

test('numbers in JSON keep their text, and what is in strings stays as it is', () => {
  expect(parseExact('{"a":1.10,"b":[-0,1e-8,"x 2.50 \\" 3","4"],"c":{"5":true,"d":null}}')).toEqual({
    a: '1.10',
    b: ['-0', '1e-8', 'x 2.50 " 3', '4'],
    c: { 5: true, d: null },
  });
});

test.each([
  ['1e-8', '0.00000001'],
  ['1.25E+3', '1250'],
  ['12.5e-1', '1.25'],
  ['0.1', '0.1'],
  ['7', '7'],
  ['-1e-8', '-1e-8'],
  ['NaN', 'NaN'],
])('%s is %s without its exponent', (text, plain) => {
  expect(plainNumber(text)).toBe(plain);
});

describe('subscriptions', () => {
  test('Binance: trades and the closing klines', () => {
    expect(JSON.parse(binance().subscribe(['BTCUSDT'], 3).text)).toEqual({
      method: 'SUBSCRIBE',
      params: ['btcusdt@trade', 'btcusdt@kline_1m'],
      id: 3,
    });
  });

  test('Coinbase: matches and heartbeats', () => {
    expect(JSON.parse(coinbase.subscribe(['BTC-USD'], 1).text)).toEqual({
      type: 'subscribe',
      product_ids: ['BTC-USD'],
      channels: ['matches', 'heartbeat'],
    });
  });

  test('Kraken: one acknowledgement for each pair', () => {
    const { text, acks } = kraken.subscribe(['BTC/USD', 'ETH/USD'], 1);
    expect(acks).toBe(2);
    expect(JSON.parse(text)).toMatchObject({ method: 'subscribe', params: { channel: 'trade' } });
  });
});

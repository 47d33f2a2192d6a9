import { expect, test } from 'vitest';
import { feedSymbols } from '../../src/feed/create.js';
import { parseFeeds } from '../../src/feed/spec.js';

function errorsOf(text: string): readonly string[] {
  const parsed = parseFeeds(text);
  return 'errors' in parsed ? parsed.errors : [];
}

test('a list of feeds', () => {
  expect(parseFeeds(' demo ; push; replay:data/a?b.csv.gz?speed=2.5&symbol=XRPETH ;')).toEqual({
    specs: [
      { kind: 'demo', seed: 1 },
      { kind: 'push' },
      { kind: 'replay', file: 'data/a?b.csv.gz', speed: 2.5, symbol: 'XRPETH' },
    ],
  });
});

test('defaults: a replay runs in real time, the demo has a seed', () => {
  expect(parseFeeds('replay:/x.csv?symbol=A')).toEqual({
    specs: [{ kind: 'replay', file: '/x.csv', speed: 1, symbol: 'A' }],
  });
  expect(parseFeeds('demo?seed=7')).toEqual({ specs: [{ kind: 'demo', seed: 7 }] });
});

test.each([
  ['', /no feed is named/],
  [' ; ', /no feed is named/],
  ['demos', /"demos": unknown feed.*"demo", "push", "replay:/],
  ['binance', /the symbols are missing, such as binance:BTCUSDT/],
  ['binance:', /the symbols are missing/],
  ['binance:btcusdt', /symbol "btcusdt" must be as binance writes it, such as BTCUSDT/],
  ['binance:BTCUSDT,', /a symbol is missing/],
  ['coinbase:BTCUSD', /such as BTC-USD/],
  ['kraken:BTC/USD?suffix= x', /symbol "BTC\/USD" must be/],
  ['kraken:BTC/USD?stream=aggTrade', /stream is an option of binance only/],
  ['binance:BTCUSDT?stream=book', /stream must be trade or aggTrade/],
  ['binance:BTCUSDT?ws=http://x', /ws "http:\/\/x" must be a ws:/],
  ['binance:BTCUSDT?rest=x', /rest "x" must be an http:/],
  ['binance:BTCUSDT?backfill=0', /backfill must be hours/],
  ['binance:BTCUSDT?depth=5', /unknown option "depth"; known: ws, rest/],
  ['ccxt:okx', /ccxt:EXCHANGE:SYMBOL/],
  ['ccxt:okx:', /a symbol is missing/],
  ['ccxt:okx:btc/usdt', /symbol "btc\/usdt" must be as ccxt writes it/],
  ['binance:BTCUSDT;binance:ETHUSDT,BTCUSDT', /symbol BTCUSDT is fed twice/],
  ['coinbase:BTC-USD;kraken:BTC/USD', /symbol BTC-USD is fed twice/],
  ['push:all', /push takes nothing/],
  ['demo:BTC', /must be "demo"/],
  ['demo?seed=x', /seed must be an integer/],
  ['replay', /the file is missing/],
  ['replay:?symbol=A', /the file is missing/],
  ['replay:a.csv', /symbol is missing.*\?symbol=XRPETH/],
  ['replay:a.csv?symbol=xrp', /symbol "xrp" must be/],
  ['replay:a.csv?symbol=A&speed=-1', /speed "-1" must be/],
  ['replay:a.csv?symbol=A&speed=fast', /speed "fast" must be/],
  ['replay:a.csv?symbol=A&speed=1&speed=2', /given twice/],
  ['replay:a.csv?symbol=A&loop=1', /unknown option "loop"; known: speed, symbol/],
  ['demo;demo', /demo is fed twice/],
  ['replay:a?symbol=A;replay:b?symbol=A', /symbol A is fed twice/],
])('%s is refused with what would be right', (text, message) => {
  expect(errorsOf(text)).toEqual([expect.stringMatching(message)]);
});

test('all errors are listed at once', () => {
  expect(errorsOf('nonsense;kraken:X;replay:a').length).toBe(3);
});

test('feeds of exchanges: symbols as the venue writes them, where it is, another name for a symbol', () => {
  const parsed = parseFeeds(
    'binance:BTCUSDT, ETHUSDT?ws=ws://127.0.0.1:9/stream&rest=http://127.0.0.1:9/;kraken:BTC/USD?suffix=.KRAKEN&backfill=24;coinbase:BTC-USD;ccxt:okx:BTC/USDT,BTC/USDT:USDT',
  );
  if ('errors' in parsed) throw new Error(parsed.errors.join());
  expect(parsed.specs).toMatchObject([
    {
      kind: 'venue',
      source: {
        natives: ['BTCUSDT', 'ETHUSDT'],
        ws: 'ws://127.0.0.1:9/stream',
        rest: 'http://127.0.0.1:9',
        suffix: '',
      },
    },
    { kind: 'venue', source: { venue: { name: 'kraken' }, suffix: '.KRAKEN', backfillHours: 24 } },
    { kind: 'venue', source: { ws: null, rest: null, backfillHours: 6 } },
    { kind: 'ccxt', source: { exchange: 'okx', natives: ['BTC/USDT', 'BTC/USDT:USDT'] } },
  ]);
  expect([...feedSymbols(parsed.specs)]).toEqual([
    ['BTCUSDT', 'binance'],
    ['ETHUSDT', 'binance'],
    ['BTC-USD.KRAKEN', 'kraken'],
    ['BTC-USD', 'coinbase'],
    ['BTC-USDT', 'okx'],
    ['BTC-USDT_USDT', 'okx'],
  ]);
});

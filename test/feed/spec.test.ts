import { expect, test } from 'vitest';
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
  ['demos', /"demos": unknown feed.*"demo", "push" or "replay:/],
  ['binance:BTCUSDT', /"binance:BTCUSDT": binance is not available in this version/],
  ['ccxt:okx:BTC/USDT', /ccxt is not available/],
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

import { afterAll, beforeAll, expect, test } from 'vitest';
import { binance } from '../../../src/feed/venues/binance.js';
import { coinbase } from '../../../src/feed/venues/coinbase.js';
import { kraken } from '../../../src/feed/venues/kraken.js';
import type { Venue } from '../../../src/feed/venues/venue.js';
import { binanceDialect, coinbaseDialect, type Dialect, krakenDialect } from './dialects.js';
import { VenuePort } from './mock-venue.js';
import { stage } from './stage.js';

let port: VenuePort;

beforeAll(async () => {
  port = await VenuePort.open();
});

afterAll(() => port.close());

/** Coinbase refuses the whole message; `reasonOf` one of its symbols. */
function coinbaseWithout(wrong: readonly string[], reasonOf: (native: string) => string): Dialect {
  const dialect = coinbaseDialect();
  return {
    ...dialect,
    subscribed: (message) => {
      const it = dialect.subscribed(message);
      const refused = it.natives.find((native) => wrong.includes(native));
      if (refused === undefined) return it;
      const error = { type: 'error', message: 'Failed to subscribe', reason: reasonOf(refused) };
      return { natives: [], answers: [JSON.stringify(error)] };
    },
  };
}

/** Kraken answers for each pair; its REST says with status 200 that it does not know one. */
function krakenWithout(wrong: string): Dialect {
  const dialect = krakenDialect();
  return {
    ...dialect,
    subscribed: (message) => {
      const { natives, answers } = dialect.subscribed(message);
      const error = `Currency pair not supported ${wrong}`;
      const refusal = JSON.stringify({ method: 'subscribe', success: false, error, symbol: wrong });
      return {
        natives: natives.filter((native) => native !== wrong),
        answers: answers.map((answer) => (answer.includes(wrong) ? refusal : answer)),
      };
    },
    rest: (url, known) =>
      url.searchParams.get('pair') === wrong.replace('/', '')
        ? '{"error":["EQuery:Unknown asset pair"]}'
        : dialect.rest(url, known),
  };
}

const named = (native: string) => `${native} is not a valid product`;
const CASES: readonly (readonly [string, Venue, Dialect, string[], string[]])[] = [
  ['Coinbase', coinbase, coinbaseWithout(['NO-USD'], named), ['NO-USD'], ['BTC-USD', 'ETH-USD']],
  ['Coinbase, several', coinbase, coinbaseWithout(['NO-USD', 'NO-EUR'], named), ['NO-USD', 'NO-EUR'], ['BTC-USD']],
  [
    'Coinbase, without saying which',
    coinbase,
    coinbaseWithout(['NO-USD'], () => 'Invalid product ID provided'),
    ['NO-USD'],
    ['BTC-USD', 'ETH-USD'],
  ],
  ['Kraken', kraken, krakenWithout('NO/USD'), ['NO/USD'], ['BTC/USD', 'ETH/USD']],
  // It subscribes to anything that is written like a symbol.
  ['Binance', binance(), binanceDialect('trade'), ['NOUSDT'], ['BTCUSDT', 'ETHUSDT']],
];

test.each(CASES)('a symbol that %s does not have is stale and told once; the others are live', async (...of) => {
  const [, venue, dialect, wrong, right] = of;
  const symbolOf = (native: string) => venue.toSymbol(native) ?? '';
  const played = await stage(port, { venue, dialect, natives: [...wrong, ...right], had: right, forMs: 40_000 });
  const { states, log, sink, mostOpen, readyAfterMs } = played;
  for (const native of right) {
    expect(states.get(symbolOf(native)), native).toBe('live');
    expect(sink.tradesOf(symbolOf(native)).length, native).toBeGreaterThan(2);
  }
  const errors = log.lines.filter(({ level, message }) => level === 'error' && message.includes('spelt right'));
  expect(errors.map(({ fields }) => (fields as { symbol: string }).symbol)).toEqual(wrong);
  for (const native of wrong) {
    const told = sink.statuses.filter(({ symbol }) => symbol === symbolOf(native)).map(({ state }) => state);
    expect(told.at(-1), native).toBe('stale');
    expect(told).not.toContain('live');
  }
  // One connection all the time, and no start that waits for what never comes.
  expect(mostOpen).toBe(1);
  expect(log.lines.filter(({ message }) => message.includes('has ended'))).toEqual([]);
  expect(readyAfterMs).toBeLessThan(10_000);
});

test('a product that is listed again is live as soon as the stream has it', async () => {
  let isListed = false;
  const wrong = coinbaseWithout(['ETH-USD'], named);
  const right = coinbaseDialect();
  const dialect: Dialect = {
    ...right,
    subscribed: (message) => (isListed ? right : wrong).subscribed(message),
    second: (native, nowMs, last) => {
      isListed ||= nowMs % 60_000 === 20_000;
      return right.second(native, nowMs, last);
    },
  };
  const natives = ['BTC-USD', 'ETH-USD'];
  const { states, log } = await stage(port, {
    venue: coinbase,
    dialect,
    natives,
    had: natives,
    lifeMs: 45_000,
    forMs: 90_000,
  });
  expect([...states.values()]).toEqual(['live', 'live']);
  expect(log.lines.filter(({ level }) => level === 'error').length).toBe(1);
});

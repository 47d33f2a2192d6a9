import type { DayStats } from '../../market/rolling-day.js';
import { dayTicker } from '../../wire/binance/ticker.js';
import type { Values } from '../../wire/parameter.js';
import { errors } from './error.js';
import { askedFor, choice, oneOrMore } from './parameters.js';
import type { BinanceSources } from './sources.js';

const ZERO = '0.00000000';
export const DAY_PARAMETERS = {
  type: choice('MINI leaves some out.', ['FULL', 'MINI'], 'FULL'),
  ...oneOrMore,
} as const;

type Asked = Values<typeof oneOrMore>;

/** GET /api/v3/ticker/24hr?symbol|symbols&type */
export async function dayTickers(given: Values<typeof DAY_PARAMETERS>, sources: BinanceSources): Promise<string> {
  const { type } = given;
  return answer(given, sources, async (symbol) => {
    const day = await sources.hot.day(symbol);
    return day === null ? null : dayTicker(day, type);
  });
}

/** GET /api/v3/ticker/price?symbol|symbols */
export function prices(given: Asked, sources: BinanceSources): Promise<string> {
  return answer(given, sources, async (symbol) => {
    const price = await lastPrice(symbol, sources);
    return price === null ? null : { symbol, price };
  });
}

/** GET /api/v3/ticker/bookTicker?symbol|symbols: there are no order books here, so each is an empty one. */
export function bookTickers(given: Asked, sources: BinanceSources): Promise<string> {
  return answer(given, sources, async (symbol) =>
    isKnown(symbol, sources) ? { symbol, bidPrice: ZERO, bidQty: ZERO, askPrice: ZERO, askQty: ZERO } : null,
  );
}

async function lastPrice(symbol: string, { hot }: BinanceSources): Promise<DayStats['last'] | null> {
  const live = hot.hot(symbol, '1m');
  const known = live?.open ?? live?.closed.at(-1);
  if (known !== undefined) return known.close;
  return (await hot.latest(symbol, '1m', 1))?.at(-1)?.close ?? null;
}

/** An object for one symbol, a list for several; all of them leave out those of which nothing is known yet. */
async function answer(
  given: Asked,
  sources: BinanceSources,
  tell: (symbol: string) => Promise<object | null>,
): Promise<string> {
  const asked = askedFor(given);
  if ('one' in asked) return JSON.stringify(await require(asked.one, sources, tell));
  const { several } = asked;
  if (several !== null) return JSON.stringify(await inTurn(several, (symbol) => require(symbol, sources, tell)));
  const all = sources.symbols().filter(({ state }) => state !== 'ended');
  const told = await inTurn(all, ({ symbol }) => tell(symbol));
  return JSON.stringify(told.filter((one) => one !== null));
}

async function require(
  symbol: string,
  sources: BinanceSources,
  tell: (symbol: string) => Promise<object | null>,
): Promise<object> {
  const told = isKnown(symbol, sources) ? await tell(symbol) : null;
  if (told === null) throw errors.badSymbol();
  return told;
}

function isKnown(symbol: string, { symbols }: BinanceSources): boolean {
  return symbols().some((status) => status.symbol === symbol);
}

/** One after the other: a request for everything must not be one burst for the database. */
async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}

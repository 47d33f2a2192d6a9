import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import * as wire from '../../../src/wire/analytics.js';
import { exchangeKlines } from '../../support/oracle.js';
import { bodyOf } from '../requests.js';
import { AnalyticsMarket, asker } from './market.js';
import * as reference from './reference.js';
import { type Day, plusDays } from './reference.js';

const TOLERANCE = 1e-9;
const ROUNDING = 1e-13;

let market: AnalyticsMarket;
let ask: ReturnType<typeof asker>;

beforeAll(async () => {
  market = await AnalyticsMarket.open();
  ask = asker(market.source);
});

afterAll(async () => {
  await market?.close();
});

/** The answer must have the shape that is documented, and the figures that were expected. */
async function expectAnswer(query: string, schema: z.ZodType, expected: object): Promise<void> {
  const response = await ask(query);
  expect(response.status, `${query}: ${response.body}`).toBe(200);
  const body = bodyOf(response);
  schema.parse(body);
  expectClose(body, expected, query);
  if (!query.includes('from=')) await expectSameCsv(query, body);
}

/** Everything equal, numbers within the tolerance; around zero, where terms cancel, within what rounding leaves of them. */
function expectClose(found: unknown, expected: unknown, where: string): void {
  if (isObject(found) && isObject(expected)) {
    const names = Object.keys(expected).sort();
    if (String(Object.keys(found).sort()) !== String(names)) expect(found, where).toEqual(expected);
    for (const name of names) expectClose(found[name], expected[name], `${where}.${name}`);
  } else if (!isClose(found, expected)) {
    throw new Error(`${where}: ${found} should be ${expected}`);
  }
}

function isClose(found: unknown, expected: unknown): boolean {
  if (typeof found !== 'number' || typeof expected !== 'number') return found === expected;
  return Math.abs(found - expected) <= TOLERANCE * Math.abs(expected) + ROUNDING;
}

/** Arrays too. */
function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Every number and text of the CSV stands in the rows of the JSON, in their order. */
async function expectSameCsv(query: string, body: Record<string, unknown>): Promise<void> {
  const [head = '', ...lines] = String((await ask(`${query}&format=csv`)).body)
    .trimEnd()
    .split('\r\n');
  const columns = head.split(',');
  expect(lines.map((line) => line.split(','))).toEqual(
    rowsOf(body).map((row) => columns.map((column) => String(row[column] ?? ''))),
  );
}

type Row = Record<string, unknown>;

function rowsOf(body: Record<string, unknown>): Row[] {
  const rows = (name: string) => (body[name] ?? []) as Row[];
  if ('matrix' in body) {
    const { symbols, matrix, observations } = body as z.infer<typeof wire.correlationAnswer>;
    return symbols.flatMap((symbol, i) =>
      symbols.map((other, j) => ({
        symbol,
        other,
        correlation: matrix[i]?.[j],
        observations: observations[i]?.[j],
      })),
    );
  }
  if ('weekdays' in body)
    return [
      ...rows('weekdays').map((row) => ({ by: 'weekday', number: row.weekday, ...row })),
      ...rows('months').map((row) => ({ by: 'month', number: row.month, ...row })),
    ];
  if ('gainers' in body)
    return [
      ...rows('gainers').map((row) => ({ side: 'gainer', ...row })),
      ...rows('losers').map((row) => ({ side: 'loser', ...row })),
    ];
  return [...rows('ranking'), ...rows('points'), ...(Array.isArray(body.days) ? rows('days') : [])];
}

interface Series {
  readonly symbol: string;
  readonly first: string;
  /** One for each calendar day; null is a hole. The return, and the reach of the day. */
  readonly steps: readonly ({ step: number; reach: number; volume: number; exact: boolean } | null)[];
}

function daysOf({ symbol, first, steps }: Series): Day[] {
  let close = 100;
  return steps.flatMap((step, i) => {
    const open = close;
    close *= Math.exp(step?.step ?? 0.02);
    if (step === null) return [];
    const high = Math.max(open, close) * (1 + step.reach);
    const low = Math.min(open, close) * (1 - step.reach);
    const quoteVolume = step.exact ? step.volume * Math.sqrt(high * low) : 0;
    return [{ symbol, date: plusDays(first, i), open, high, low, close, volume: step.volume, quoteVolume }];
  });
}

const step = fc.record({
  step: fc.oneof(
    { weight: 6, arbitrary: fc.double({ min: -0.2, max: 0.2, noNaN: true }) },
    { weight: 1, arbitrary: fc.constant(0) },
  ),
  reach: fc.double({ min: 0, max: 0.1, noNaN: true }),
  volume: fc.double({ min: 0.001, max: 1e6, noNaN: true }),
  exact: fc.boolean(),
});
const series = (symbol: string) =>
  fc.record({
    symbol: fc.constant(symbol),
    first: fc.integer({ min: 0, max: 40 }).map((days) => plusDays('2023-12-01', days)),
    steps: fc
      .array(fc.option(step, { freq: 12 }), { minLength: 1, maxLength: 500, size: 'max' })
      .filter((steps) => steps.some((one) => one !== null)),
  });
const SYMBOLS = ['AAAUSDT', 'BBBUSDT', 'CCCUSDT', 'DDDUSDT'];

/** Every resource about what is stored, once over all of it and once over a part. */
async function expectAll(days: readonly Day[]): Promise<void> {
  const symbols = [...new Set(days.map(({ symbol }) => symbol))];
  const dates = days.map(({ date }) => date).sort();
  const market = { from: dates[0] ?? '', to: plusDays(dates.at(-1) ?? '', 1) };
  for (const symbol of symbols.slice(0, 2)) {
    const own = days.filter((day) => day.symbol === symbol);
    const whole = { from: own[0]?.date ?? '', to: plusDays(own.at(-1)?.date ?? '', 1) };
    await expectSymbol(symbol, own, whole, 'days=4000');
    const part = { from: own[Math.floor(own.length / 3)]?.date ?? '', to: own.at(-1)?.date ?? '' };
    if (part.from < part.to) await expectSymbol(symbol, own, part, `from=${part.from}&to=${part.to}`);
  }
  if (symbols.length > 1)
    await expectAnswer(`correlation?days=4000&symbols=${symbols}`, wire.correlationAnswer, {
      ...market,
      ...reference.correlation(days, symbols, market),
    });
  for (const length of [1, 7, 200]) {
    const from = [plusDays(market.to, -length), market.from].sort().at(-1) ?? '';
    const range = { from, to: market.to };
    await expectAnswer(`movers?limit=3&days=${length}`, wire.moversAnswer, {
      ...range,
      ...reference.movers(days, range, 3),
    });
    await expectAnswer(`volume?limit=3&days=${length}&quote=USDT`, wire.volumeAnswer, {
      ...range,
      ...reference.volume(days, range, 'USDT', 3),
    });
  }
}

async function expectSymbol(symbol: string, own: readonly Day[], range: reference.Range, query: string): Promise<void> {
  const head = { symbol, ...range };
  const of = `symbol=${symbol}&${query}`;
  await expectAnswer(`daily?${of}`, wire.dailyAnswer, { ...head, ...reference.daily(own, range) });
  await expectAnswer(`volatility?${of}&window=10`, wire.volatilityAnswer, {
    ...head,
    ...reference.volatility(own, range, 10),
  });
  await expectAnswer(`drawdown?${of}`, wire.drawdownAnswer, { ...head, ...reference.drawdown(own, range) });
  await expectAnswer(`seasonality?${of}`, wire.seasonalityAnswer, { ...head, ...reference.seasonality(own, range) });
}

test('generated years with holes: every resource equals the computation from the definitions', async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(...SYMBOLS.map(series)), async (generated) => {
      const days = generated.flatMap(daysOf);
      await market.replace(days);
      await expectAll(days);
    }),
    { numRuns: 2 },
  );
});

test('real prices: the exchange’s minutes, folded to days, and by the hour as if each were a day', async () => {
  const minutes = exchangeKlines().map(([time, ...figures]) => ({ time, figures: figures.map(Number) }));
  const fold = (symbol: string, dateOf: (timeMs: number) => string): Day[] => {
    const dates = [...new Set(minutes.map(({ time }) => dateOf(time)))];
    return dates.map((date) => {
      const group = minutes.filter(({ time }) => dateOf(time) === date);
      const column = (i: number) => group.map(({ figures }) => figures[i] ?? Number.NaN);
      const [volumes, closes] = [column(4), column(3)];
      return {
        symbol,
        date,
        open: column(0)[0] ?? 0,
        high: Math.max(...column(1)),
        low: Math.min(...column(2)),
        close: closes.at(-1) ?? 0,
        volume: volumes.reduce((sum, volume) => sum + volume, 0),
        quoteVolume: volumes.reduce((sum, volume, i) => sum + volume * (closes[i] ?? 0), 0),
      };
    });
  };
  const days = fold('XRPETH', (time) => new Date(time).toISOString().slice(0, 10));
  const hours = fold('HOURLYETH', (time) => plusDays('2019-08-15', Math.floor((time - 1570752000000) / 3_600_000)));
  await market.replace([...days, ...hours]);
  await expectSymbol('XRPETH', days, { from: '2019-10-11', to: '2019-10-14' }, 'days=4000');
  await expectSymbol('HOURLYETH', hours, { from: '2019-08-15', to: '2019-10-14' }, 'days=4000');
  await expectAnswer('correlation?symbols=XRPETH,HOURLYETH&days=4000', wire.correlationAnswer, {
    from: '2019-08-15',
    to: '2019-10-14',
    ...reference.correlation([...days, ...hours], ['XRPETH', 'HOURLYETH'], { from: '2019-08-15', to: '2019-10-14' }),
  });
});

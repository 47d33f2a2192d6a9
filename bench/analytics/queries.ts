/**
 * Every resource of /v1/analytics over 10 years of 1,000 symbols: `npx tsx bench/analytics/queries.ts [--json] [--rounds 15]`.
 *
 * The days are made inside ClickHouse. What is timed is the whole of a route, from its query string to its body, against the embedded
 * engine in its process, warm, one request at a time; the largest that a resource takes, and its default.
 */
import { parseArgs } from 'node:util';
import { ClickHouse } from '../../src/analytics/clickhouse.js';
import { findEmbeddedClickHouse } from '../../src/analytics/embedded/start.js';
import { AnalyticsQueries } from '../../src/analytics/queries/queries.js';
import { embeddedAnalytics } from '../../test/analytics/support.js';
import { asker } from '../../test/http/analytics/market.js';
import { median, type Results, rounds } from '../support/rounds.js';

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, rounds: { type: 'string', default: '15' } },
});
const SYMBOLS = 1000;
const DAYS = 3653;
const TARGET_MS = 100;

/** Closes and opens around 100, without a trend: only their number matters. */
const FILL = `
  INSERT INTO daily_ohlcv (symbol, date, open, high, low, close, volume, quote_volume, trades, version)
  SELECT concat('SYM', leftPad(toString(intDiv(number, ${DAYS})), 4, '0'), 'USDT'), toDate('2015-01-01') + number % ${DAYS},
    90 + rand(1) / 4294967295 * 20 AS o, greatest(o, c) * 1.01, least(o, c) * 0.99, 90 + rand(2) / 4294967295 * 20 AS c,
    rand(3) / 1000 AS v, v * c, 1000, 1
  FROM numbers(${SYMBOLS * DAYS})`;

const some = (count: number) =>
  Array.from({ length: count }, (_, i) => `SYM${String(i * 7).padStart(4, '0')}USDT`).join();
const ONE = 'symbol=SYM0500USDT';
const QUERIES = [
  `daily?${ONE}`,
  `daily?${ONE}&days=4000`,
  `volatility?${ONE}`,
  `volatility?${ONE}&days=4000&window=365`,
  `drawdown?${ONE}`,
  `drawdown?${ONE}&days=4000`,
  `seasonality?${ONE}`,
  'movers',
  'movers?days=365&limit=100',
  'movers?days=4000&limit=100',
  'volume',
  'volume?days=365&limit=1000',
  'volume?days=4000&limit=1000',
  'correlation',
  'correlation?days=365',
  `correlation?days=4000&symbols=${some(25)}`,
];

async function measure(): Promise<Results> {
  const analytics = await embeddedAnalytics();
  try {
    await analytics.database.rows('SELECT 1', {});
    const place = await findEmbeddedClickHouse(analytics.dataDir);
    if (place === null) throw new Error('the embedded ClickHouse is not to be found');
    const { client } = new ClickHouse(place);
    await client.command({ query: FILL });
    // Years are merged once they are over; the bulk of an import, which this is, within minutes.
    await client.command({ query: 'OPTIMIZE TABLE daily_ohlcv FINAL' });
    const ask = asker(new AnalyticsQueries(analytics.database));
    const contender = (query: string) => async () => {
      const began = performance.now();
      const { status, body } = await ask(query);
      if (status !== 200) throw new Error(`${query}: ${status} ${body}`);
      return performance.now() - began;
    };
    return await rounds(Number(values.rounds), Object.fromEntries(QUERIES.map((query) => [query, contender(query)])));
  } finally {
    await analytics.stop();
  }
}

const results = await measure();
let missed = 0;
process.stdout.write(
  `${SYMBOLS} symbols × ${DAYS} days (ms; median [range] of ${values.rounds} rounds; target ${TARGET_MS})\n`,
);
for (const [query, times] of Object.entries(results)) {
  const middle = median(times);
  if (middle > TARGET_MS) missed += 1;
  const range = `[${Math.min(...times).toFixed(1)} … ${Math.max(...times).toFixed(1)}]`;
  const name = query.length > 50 ? `${query.slice(0, 49)}…` : query;
  process.stdout.write(`  ${name.padEnd(52)} ${middle.toFixed(1)} ${range}${middle > TARGET_MS ? ' MISSED' : ''}\n`);
}
if (values.json) process.stdout.write(`${JSON.stringify({ target: TARGET_MS, results })}\n`);
process.exit(missed === 0 ? 0 : 1);

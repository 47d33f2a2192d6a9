import fc from 'fast-check';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CandleEngine } from '../../src/candles/engine.js';
import { parseDecimal } from '../../src/kit/decimal.js';
import type { Trade } from '../../src/market/trade.js';
import { realPostgres, type TestDatabase } from '../support/database.js';

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await realPostgres();
  sql = database.connect({ max: 1 });
});

afterAll(async () => {
  await database?.stop();
});

/** Decimals of DECIMAL(20,8) up to `digits` before the point, often at its edges. */
function decimal(digits: number): fc.Arbitrary<string> {
  const limit = 10n ** BigInt(digits + 8);
  const edges = fc.constantFrom(1n, 99_999_999n, 100_000_000n, limit - 1n, limit - 100_000_000n, 2n ** 53n);
  return fc.oneof(fc.bigInt({ min: 1n, max: limit - 1n }), edges).map((units) => {
    const text = (units % limit === 0n ? 1n : units % limit).toString().padStart(9, '0');
    return `${text.slice(0, -8)}.${text.slice(-8)}`;
  });
}

const rows = fc.array(
  fc.record({ price: decimal(12), quantity: fc.oneof(decimal(10), decimal(3)), side: fc.constantFrom('buy', 'sell') }),
  { minLength: 1, maxLength: 40 },
);

it("equal PostgreSQL's NUMERIC, at the edges of DECIMAL(20,8)", async () => {
  await fc.assert(
    fc.asyncProperty(rows, async (items) => {
      const engine = new CandleEngine(0, 1);
      items.forEach(({ price, quantity, side }, i) => {
        const [p, q] = [parseDecimal(price), parseDecimal(quantity)];
        if (p === null || q === null) throw new Error(`not a decimal: ${price} ${quantity}`);
        const trade: Trade = {
          symbol: 'EDGE',
          id: i,
          time: 1_700_000_000_000,
          priceWhole: p.whole,
          priceFraction: p.fraction,
          quantityWhole: q.whole,
          quantityFraction: q.fraction,
          takerSide: side === 'buy' ? 'buy' : 'sell',
        };
        expect(engine.apply(trade)).toBe('applied');
      });
      const candle = engine.open('EDGE', '1m');
      const [row] = await sql`
        SELECT max(p)::text AS high, min(p)::text AS low, sum(q)::numeric(40,8)::text AS volume,
          sum(p * q)::numeric(60,16)::text AS "quoteVolume",
          coalesce(sum(q) FILTER (WHERE s = 'buy'), 0)::numeric(40,8)::text AS "takerBuyVolume",
          coalesce(sum(p * q) FILTER (WHERE s = 'buy'), 0)::numeric(60,16)::text AS "takerBuyQuoteVolume"
        FROM unnest(${items.map(({ price }) => price)}::text[]::numeric(20,8)[],
          ${items.map(({ quantity }) => quantity)}::text[]::numeric(20,8)[],
          ${items.map(({ side }) => side)}::text[]) AS t (p, q, s)`;
      expect(candle).toMatchObject({ ...row });
    }),
    { numRuns: 150 },
  );
});

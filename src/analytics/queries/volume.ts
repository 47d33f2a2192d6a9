import type { Period, Reads } from './period.js';

export interface Ranked {
  readonly rank: number;
  readonly symbol: string;
  readonly quoteVolume: number;
  readonly volume: number;
  readonly share: number | null;
  readonly days: number;
}

/**
 * Who trades most. Quote volume: the sum of price × quantity of all trades as the candles keep it; of a day without it (filled by
 * something else) close × volume, the nearest that the day tells. It is in each symbol's own quote currency, so that only symbols with the
 * same one compare: `ending` selects them, null takes all. share = quote volume / quote volume of all that are ranked.
 */
export async function volume(
  database: Reads,
  { from, to }: Period,
  ending: string | null,
  limit: number,
): Promise<{ readonly ranking: readonly Ranked[]; readonly symbols: number }> {
  const rows = await database.rows<Ranked & { symbols: number }>(SQL, { from, to, ending: ending ?? '', limit });
  return {
    ranking: rows.map(({ symbols: _, ...ranked }) => ranked),
    symbols: rows[0]?.symbols ?? 0,
  };
}

const SQL = `
  SELECT
    row_number() OVER (ORDER BY notional DESC, symbol) AS rank,
    symbol,
    notional AS quoteVolume,
    traded AS volume,
    notional / nullIf(sum(notional) OVER (), 0) AS share,
    days,
    count() OVER () AS symbols
  FROM (
    SELECT toString(symbol_code) AS symbol,
      sum(notional) AS notional,
      sum(volume) AS traded,
      count() AS days
    FROM daily_ohlcv FINAL
    WHERE date >= {from:Date} AND date < {to:Date} AND ({ending:String} = '' OR endsWith(symbol_code, {ending:String}))
    GROUP BY symbol_code
  )
  ORDER BY rank
  LIMIT {limit:UInt32}`;

-- What a day was worth in the quote currency: the sum of price × quantity of its trades, or, of a day that something else filled without
-- it, close × volume. Nobody writes it, and SELECT * does not show it. These two are sums over many trades: their digits do not compress,
-- and whoever adds up the whole table waited for LZ4 longer than for the addition.
ALTER TABLE daily_ohlcv ADD COLUMN IF NOT EXISTS notional Float64
  MATERIALIZED if(quote_volume > 0, quote_volume, close * volume) CODEC(NONE);

ALTER TABLE daily_ohlcv MODIFY COLUMN volume Float64 CODEC(NONE);

-- Of days that were there before; in the background.
ALTER TABLE daily_ohlcv MATERIALIZE COLUMN notional;

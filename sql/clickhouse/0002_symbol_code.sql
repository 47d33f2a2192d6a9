-- The symbol as a number into the part's own list of symbols: what groups the whole table by symbol reads and hashes two bytes a row
-- instead of the text. Nobody writes it, and SELECT * does not show it.
ALTER TABLE daily_ohlcv ADD COLUMN IF NOT EXISTS symbol_code LowCardinality(String) MATERIALIZED symbol;

-- Of days that were there before; in the background.
ALTER TABLE daily_ohlcv MATERIALIZE COLUMN symbol_code;

-- Whole UTC days. A day may be written any number of times: the row with the highest version is the row, whatever the order in
-- which they came, and none where that one says is_deleted. Read it with FINAL.
CREATE TABLE IF NOT EXISTS daily_ohlcv (
  symbol String,
  date Date,
  open Float64,
  high Float64,
  low Float64,
  close Float64,
  volume Float64,
  quote_volume Float64 DEFAULT 0,
  trades UInt64 DEFAULT 0,
  version UInt64 DEFAULT 0,
  is_deleted UInt8 DEFAULT 0
)
ENGINE = ReplacingMergeTree(version, is_deleted)
-- What is asked of all symbols is asked of a few days: it reads one year of them, not all.
PARTITION BY toYear(date)
ORDER BY (symbol, date);

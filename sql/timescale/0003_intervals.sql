-- Longer intervals in a hierarchy: each level is rolled from the one below it, so that a refresh reads few rows.
-- Buckets are UTC: days start at midnight, weeks on Monday, months are calendar months. Every level is real-time: what is
-- not materialised yet is computed at reading. Flat minutes count in open and close but have no trades: the first and last
-- trade come from the minutes that have some (first and last leave rows without a time out).

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_5m
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
  symbol,
  time_bucket(INTERVAL '5 minutes', timestamp) AS bucket,
  first(open, timestamp) AS open,
  max(high) AS high,
  min(low) AS low,
  last(close, timestamp) AS close,
  sum(volume) AS volume,
  sum(quote_volume) AS quote_volume,
  sum(taker_buy_volume) AS taker_buy_volume,
  sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
  sum(trade_count)::bigint AS trade_count,
  first(first_trade_id, first_trade_time) AS first_trade_id,
  last(last_trade_id, last_trade_time) AS last_trade_id,
  min(first_trade_time) AS first_trade_time,
  max(last_trade_time) AS last_trade_time,
  sum(revision)::bigint AS revision,
  max(seq) AS seq,
  max(epoch) AS epoch
FROM ohlcv
GROUP BY symbol, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_1h
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
  symbol,
  time_bucket(INTERVAL '1 hour', bucket) AS bucket,
  first(open, bucket) AS open,
  max(high) AS high,
  min(low) AS low,
  last(close, bucket) AS close,
  sum(volume) AS volume,
  sum(quote_volume) AS quote_volume,
  sum(taker_buy_volume) AS taker_buy_volume,
  sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
  sum(trade_count)::bigint AS trade_count,
  first(first_trade_id, first_trade_time) AS first_trade_id,
  last(last_trade_id, last_trade_time) AS last_trade_id,
  min(first_trade_time) AS first_trade_time,
  max(last_trade_time) AS last_trade_time,
  sum(revision)::bigint AS revision,
  max(seq) AS seq,
  max(epoch) AS epoch
FROM ohlcv_5m
GROUP BY symbol, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_1d
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
  symbol,
  time_bucket(INTERVAL '1 day', bucket) AS bucket,
  first(open, bucket) AS open,
  max(high) AS high,
  min(low) AS low,
  last(close, bucket) AS close,
  sum(volume) AS volume,
  sum(quote_volume) AS quote_volume,
  sum(taker_buy_volume) AS taker_buy_volume,
  sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
  sum(trade_count)::bigint AS trade_count,
  first(first_trade_id, first_trade_time) AS first_trade_id,
  last(last_trade_id, last_trade_time) AS last_trade_id,
  min(first_trade_time) AS first_trade_time,
  max(last_trade_time) AS last_trade_time,
  sum(revision)::bigint AS revision,
  max(seq) AS seq,
  max(epoch) AS epoch
FROM ohlcv_1h
GROUP BY symbol, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_1w
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
  symbol,
  time_bucket(INTERVAL '7 days', bucket) AS bucket,
  first(open, bucket) AS open,
  max(high) AS high,
  min(low) AS low,
  last(close, bucket) AS close,
  sum(volume) AS volume,
  sum(quote_volume) AS quote_volume,
  sum(taker_buy_volume) AS taker_buy_volume,
  sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
  sum(trade_count)::bigint AS trade_count,
  first(first_trade_id, first_trade_time) AS first_trade_id,
  last(last_trade_id, last_trade_time) AS last_trade_id,
  min(first_trade_time) AS first_trade_time,
  max(last_trade_time) AS last_trade_time,
  sum(revision)::bigint AS revision,
  max(seq) AS seq,
  max(epoch) AS epoch
FROM ohlcv_1d
GROUP BY symbol, 2
WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS ohlcv_1mon
WITH (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = true) AS
SELECT
  symbol,
  time_bucket(INTERVAL '1 month', bucket) AS bucket,
  first(open, bucket) AS open,
  max(high) AS high,
  min(low) AS low,
  last(close, bucket) AS close,
  sum(volume) AS volume,
  sum(quote_volume) AS quote_volume,
  sum(taker_buy_volume) AS taker_buy_volume,
  sum(taker_buy_quote_volume) AS taker_buy_quote_volume,
  sum(trade_count)::bigint AS trade_count,
  first(first_trade_id, first_trade_time) AS first_trade_id,
  last(last_trade_id, last_trade_time) AS last_trade_id,
  min(first_trade_time) AS first_trade_time,
  max(last_trade_time) AS last_trade_time,
  sum(revision)::bigint AS revision,
  max(seq) AS seq,
  max(epoch) AS epoch
FROM ohlcv_1d
GROUP BY symbol, 2
WITH NO DATA;

-- About eightfold smaller; corrections of compressed rows still work, only slower.
ALTER TABLE ohlcv SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol', timescaledb.compress_orderby = 'timestamp');

SELECT add_compression_policy('ohlcv', compress_after => INTERVAL '7 days', if_not_exists => true);

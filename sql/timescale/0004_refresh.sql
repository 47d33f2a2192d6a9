-- The newest stretch of each level stays unmaterialised and is computed at reading, where late minutes and revisions (up
-- to 60 minutes back) show at once: what is materialised shows them only after a refresh. What changes further back is
-- refreshed by whoever changes it, and by the next run. The windows have no start: minutes that were never materialised
-- and lie below the watermark of a level would not show in it. Only what changed is computed again.

SELECT add_continuous_aggregate_policy('ohlcv_5m', start_offset => NULL, end_offset => INTERVAL '2 hours',
  schedule_interval => INTERVAL '5 minutes', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1h', start_offset => NULL, end_offset => INTERVAL '3 hours',
  schedule_interval => INTERVAL '10 minutes', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1d', start_offset => NULL, end_offset => INTERVAL '1 day',
  schedule_interval => INTERVAL '1 hour', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1w', start_offset => NULL, end_offset => INTERVAL '7 days',
  schedule_interval => INTERVAL '6 hours', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1mon', start_offset => NULL, end_offset => INTERVAL '1 month',
  schedule_interval => INTERVAL '6 hours', if_not_exists => true);

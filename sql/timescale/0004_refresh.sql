-- Each level is refreshed over a window that reaches back further than any revision (60 minutes) and than a feed that was
-- away for a weekend; what changes before that is refreshed by whoever changes it.

SELECT add_continuous_aggregate_policy('ohlcv_5m', start_offset => INTERVAL '3 days', end_offset => INTERVAL '5 minutes',
  schedule_interval => INTERVAL '5 minutes', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1h', start_offset => INTERVAL '4 days', end_offset => INTERVAL '1 hour',
  schedule_interval => INTERVAL '10 minutes', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1d', start_offset => INTERVAL '10 days', end_offset => INTERVAL '1 day',
  schedule_interval => INTERVAL '1 hour', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1w', start_offset => INTERVAL '35 days', end_offset => INTERVAL '7 days',
  schedule_interval => INTERVAL '6 hours', if_not_exists => true);

SELECT add_continuous_aggregate_policy('ohlcv_1mon', start_offset => INTERVAL '100 days', end_offset => INTERVAL '1 month',
  schedule_interval => INTERVAL '6 hours', if_not_exists => true);

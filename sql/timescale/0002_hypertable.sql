CREATE EXTENSION IF NOT EXISTS timescaledb;

-- A week a chunk: 10,080 rows (about 2 MB) per symbol, so that a hundred symbols keep the newest chunk's indexes well
-- within memory, while years of history stay at a few hundred chunks and planning stays quick.
SELECT create_hypertable('ohlcv', 'timestamp', chunk_time_interval => INTERVAL '7 days', migrate_data => true, if_not_exists => true);

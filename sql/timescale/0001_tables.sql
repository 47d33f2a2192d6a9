-- One minute is the only resolution stored; every longer interval is derived from it.
CREATE TABLE IF NOT EXISTS ohlcv (
  symbol VARCHAR(50) NOT NULL,
  timestamp TIMESTAMPTZ NOT NULL,
  open DECIMAL(20,8) NOT NULL,
  high DECIMAL(20,8) NOT NULL,
  low DECIMAL(20,8) NOT NULL,
  close DECIMAL(20,8) NOT NULL,
  volume DECIMAL(20,8) NOT NULL,
  -- Sixteen decimals: a price times a quantity, exact.
  quote_volume NUMERIC(40,16),
  taker_buy_volume NUMERIC(20,8),
  taker_buy_quote_volume NUMERIC(40,16),
  trade_count BIGINT,
  -- Null in a minute without trades.
  first_trade_id BIGINT,
  last_trade_id BIGINT,
  first_trade_time TIMESTAMPTZ,
  last_trade_time TIMESTAMPTZ,
  -- Corrections since the first close.
  revision INTEGER NOT NULL DEFAULT 0,
  -- Position of the event that wrote the row, and the writer's epoch.
  seq BIGINT NOT NULL DEFAULT 0,
  epoch BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (symbol, timestamp)
);

CREATE TABLE IF NOT EXISTS symbols (
  symbol VARCHAR(50) PRIMARY KEY,
  source TEXT NOT NULL,
  synthetic BOOLEAN NOT NULL DEFAULT false,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Stretches in which the feed was away; to_time is exclusive.
CREATE TABLE IF NOT EXISTS gaps (
  symbol VARCHAR(50) NOT NULL,
  from_time TIMESTAMPTZ NOT NULL,
  to_time TIMESTAMPTZ NOT NULL,
  reason TEXT NOT NULL,
  seq BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  PRIMARY KEY (symbol, seq)
);

CREATE INDEX IF NOT EXISTS gaps_by_time ON gaps (symbol, from_time);

-- One counter: the epoch given out last. It begins at the database's creation in Unix seconds, so that a database that
-- was wiped and made anew never gives out an epoch again, and a position older than first_epoch is known to be another's.
CREATE TABLE IF NOT EXISTS writer_epochs (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch BIGINT NOT NULL,
  first_epoch BIGINT NOT NULL
);

INSERT INTO writer_epochs (epoch, first_epoch)
SELECT created, created FROM (SELECT floor(extract(epoch FROM now()))::bigint AS created) AS now_seconds
ON CONFLICT DO NOTHING;

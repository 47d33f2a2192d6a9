-- What belongs to one user each. TIMESTAMP columns hold UTC.
CREATE TABLE IF NOT EXISTS signals (
  id UUID PRIMARY KEY,
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  type VARCHAR(50) NOT NULL,
  symbol VARCHAR(50) NOT NULL,
  data JSONB,
  created_at TIMESTAMP DEFAULT NOW(),
  -- Place among the user's signals: 1, 2, 3 … in the order in which they were committed.
  seq BIGINT,
  expires_at TIMESTAMPTZ,
  -- Read by itself; what was read all at once is told by signal_heads.read_seq.
  read_at TIMESTAMPTZ,
  source VARCHAR(20) NOT NULL DEFAULT 'publisher',
  -- No references: what made a signal may go, the signal stays.
  rule_id UUID,
  publisher_id UUID,
  corrects UUID,
  UNIQUE (user_id, seq)
);

-- The newest place of each user that ever had a signal. Whoever gives out places holds the row until it commits. Rows are
-- updated often and have no index on what changes: room in the page keeps the index out of it.
CREATE TABLE IF NOT EXISTS signal_heads (
  user_id UUID PRIMARY KEY REFERENCES users(id) ON DELETE CASCADE,
  last_seq BIGINT NOT NULL,
  -- Signals on the latest UTC day that had any, and what they are held to.
  day DATE,
  day_count INTEGER NOT NULL DEFAULT 0,
  day_limit INTEGER,
  -- Places given out by the statement that wrote the row last.
  added INTEGER NOT NULL DEFAULT 1,
  -- Everything up to here is read, since read_at at the latest.
  read_seq BIGINT NOT NULL DEFAULT 0,
  read_at TIMESTAMPTZ
) WITH (fillfactor = 50);

-- What each device of a user has for certain.
CREATE TABLE IF NOT EXISTS signal_acks (
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  device VARCHAR(64) NOT NULL,
  seq BIGINT NOT NULL,
  acked_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (user_id, device)
) WITH (fillfactor = 50);

-- Requests that were answered, by the key their publisher gave them, so that one sent again is answered the same.
CREATE TABLE IF NOT EXISTS signal_keys (
  publisher_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  key VARCHAR(255) NOT NULL,
  -- SHA-256 of what was asked.
  body_hash BYTEA NOT NULL,
  -- What became of each signal; null: it is for an audience.
  answer JSONB,
  -- Of an audience: the last recipient that was served, how many signals were written and not, and whether that was all.
  served_to UUID,
  written INTEGER NOT NULL DEFAULT 0,
  refused INTEGER NOT NULL DEFAULT 0,
  finished BOOLEAN NOT NULL DEFAULT true,
  created_at TIMESTAMPTZ NOT NULL,
  PRIMARY KEY (publisher_id, key)
);

CREATE INDEX IF NOT EXISTS signal_keys_by_age ON signal_keys (created_at);

-- Names this database: positions of another one mean nothing here.
CREATE TABLE IF NOT EXISTS signal_epoch (
  only_row BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch BIGINT NOT NULL
);

INSERT INTO signal_epoch (epoch) SELECT floor(extract(epoch FROM now()))::bigint ON CONFLICT DO NOTHING;

-- A signal that is written by hand gets its place as well.
CREATE OR REPLACE FUNCTION place_signal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO signal_heads AS head (user_id, last_seq) VALUES (NEW.user_id, 1)
  ON CONFLICT (user_id) DO UPDATE SET last_seq = head.last_seq + 1, added = 1
  RETURNING last_seq INTO NEW.seq;
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER signals_place BEFORE INSERT ON signals
  FOR EACH ROW WHEN (NEW.seq IS NULL AND NEW.user_id IS NOT NULL) EXECUTE FUNCTION place_signal();

-- What users watch for. Open times are those of candles, in milliseconds since the Unix epoch.

CREATE TABLE IF NOT EXISTS rules (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  symbol VARCHAR(50) NOT NULL,
  "interval" VARCHAR(3) NOT NULL,
  -- name, when, data: the rule as it was checked.
  definition JSONB NOT NULL,
  enabled BOOLEAN NOT NULL DEFAULT TRUE,
  cooldown_ms BIGINT NOT NULL DEFAULT 0,
  expires_at TIMESTAMPTZ,
  -- Candles up to this open time are none of its business: they had closed when it was made or changed.
  starts_after BIGINT NOT NULL,
  -- One more with every change; a firing of an older version is not written.
  version INTEGER NOT NULL DEFAULT 1,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
  updated_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS rules_user ON rules (user_id, id);

CREATE INDEX IF NOT EXISTS rules_symbol ON rules (symbol, "interval");

-- What was said of a rule at a candle. `revision` 0 is the first verdict; each correction that turns it round adds one.
CREATE TABLE IF NOT EXISTS rule_firings (
  rule_id UUID NOT NULL REFERENCES rules(id) ON DELETE CASCADE,
  open_time BIGINT NOT NULL,
  revision INTEGER NOT NULL,
  fires BOOLEAN NOT NULL,
  -- Stays when the user deletes the signal.
  signal_id UUID NOT NULL,
  PRIMARY KEY (rule_id, open_time, revision)
);

-- How far the candles of a symbol and interval have been judged: the latest one, and the seq of the latest close or
-- correction taken in. Whoever writes firings moves it from what it knows in the same statement: of two, one fails.
CREATE TABLE IF NOT EXISTS rule_progress (
  symbol VARCHAR(50) NOT NULL,
  "interval" VARCHAR(3) NOT NULL,
  open_time BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (symbol, "interval")
);

-- A number for each symbol that grows with every change of its rules: whoever holds them in memory looks here.
CREATE TABLE IF NOT EXISTS rule_symbols (
  symbol VARCHAR(50) PRIMARY KEY,
  version BIGINT NOT NULL
);

CREATE OR REPLACE FUNCTION note_rule_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO rule_symbols (symbol, version) VALUES (NEW.symbol, 1)
  ON CONFLICT (symbol) DO UPDATE SET version = rule_symbols.version + 1;
  RETURN NULL;
END $$;

-- Not of deletions: firings of a rule that is gone are refused anyway, and users with rules on the same symbols may be
-- deleted at once without waiting for each other in a circle.
CREATE OR REPLACE TRIGGER rules_changed AFTER INSERT OR UPDATE ON rules
  FOR EACH ROW EXECUTE FUNCTION note_rule_change();

-- Of an UPDATE by hand too: what is in memory must not fire for what stands here, and what stands here begins now.
CREATE OR REPLACE FUNCTION raise_rule_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  NEW.starts_after := greatest(NEW.starts_after, (
    SELECT open_time FROM rule_progress p WHERE p.symbol = NEW.symbol AND p."interval" = NEW."interval"));
  RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER rules_version BEFORE UPDATE ON rules
  FOR EACH ROW EXECUTE FUNCTION raise_rule_version();

-- Adds a rule unless its user has `most` already. The user's row is locked first, so that two requests at once do not both
-- find room. Gives the rule back; nothing: no such user, or no room.
CREATE OR REPLACE FUNCTION create_rule(rule rules, most INTEGER) RETURNS SETOF rules LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM users WHERE id = rule.user_id FOR NO KEY UPDATE;
  IF NOT FOUND OR (SELECT count(*) FROM rules r WHERE r.user_id = rule.user_id) >= most THEN
    RETURN;
  END IF;
  INSERT INTO rule_progress AS p (symbol, "interval", open_time, seq)
  VALUES (rule.symbol, rule."interval", rule.starts_after, 0)
  ON CONFLICT (symbol, "interval") DO NOTHING;
  SELECT greatest(rule.starts_after, p.open_time) INTO rule.starts_after
  FROM rule_progress p WHERE p.symbol = rule.symbol AND p."interval" = rule."interval";
  RETURN QUERY INSERT INTO rules SELECT rule.* RETURNING *;
END $$;

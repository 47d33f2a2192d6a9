-- Who may do what. TIMESTAMP columns hold UTC.

CREATE TABLE IF NOT EXISTS users (
  id UUID PRIMARY KEY,
  email VARCHAR(255) UNIQUE NOT NULL,
  password_hash VARCHAR(255) NOT NULL,
  created_at TIMESTAMP DEFAULT NOW(),
  updated_at TIMESTAMP DEFAULT NOW(),
  role VARCHAR(50) DEFAULT 'user',
  -- Raised with every new password: sessions of an older one are over.
  password_version INTEGER NOT NULL DEFAULT 0,
  -- Who it is at an external identity provider.
  issuer VARCHAR(255),
  subject VARCHAR(255)
);

CREATE INDEX IF NOT EXISTS users_lower_email ON users (lower(email));

CREATE UNIQUE INDEX IF NOT EXISTS users_external ON users (issuer, subject);

CREATE TABLE IF NOT EXISTS subscriptions (
  id UUID PRIMARY KEY,
  user_id UUID REFERENCES users(id) ON DELETE CASCADE,
  plan VARCHAR(100) NOT NULL,
  start_date DATE NOT NULL,
  end_date DATE,
  status VARCHAR(50) DEFAULT 'active'
);

CREATE INDEX IF NOT EXISTS subscriptions_user ON subscriptions (user_id);

-- A login on one device. Every refresh token of it begins with the same family secret and ends with its own.
CREATE TABLE IF NOT EXISTS sessions (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  family_hash BYTEA NOT NULL UNIQUE,
  token_hash BYTEA NOT NULL,
  previous_hash BYTEA,
  password_version INTEGER NOT NULL,
  device VARCHAR(200),
  device_hash BYTEA,
  created_at TIMESTAMPTZ NOT NULL,
  refreshed_at TIMESTAMPTZ NOT NULL,
  expires_at TIMESTAMPTZ NOT NULL,
  revoked_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS sessions_user ON sessions (user_id);

CREATE INDEX IF NOT EXISTS sessions_expiry ON sessions (expires_at);

CREATE TABLE IF NOT EXISTS api_keys (
  id UUID PRIMARY KEY,
  user_id UUID NOT NULL REFERENCES users(id) ON DELETE CASCADE,
  name VARCHAR(100) NOT NULL,
  secret_hash BYTEA NOT NULL,
  scopes TEXT[] NOT NULL,
  created_at TIMESTAMPTZ NOT NULL,
  last_used_at TIMESTAMPTZ,
  revoked_at TIMESTAMPTZ
);

CREATE INDEX IF NOT EXISTS api_keys_user ON api_keys (user_id);

-- What changed about whom, however it was changed: nodes that missed the news read it here. Outlives the user.
CREATE TABLE IF NOT EXISTS account_changes (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  user_id UUID NOT NULL,
  session_id UUID,
  key_id UUID,
  changed_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

CREATE OR REPLACE FUNCTION raise_password_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.password_version := OLD.password_version + 1;
  RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION note_user_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO account_changes (user_id) VALUES (OLD.id);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_subscription_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' AND OLD.user_id IS NOT NULL THEN
    INSERT INTO account_changes (user_id) VALUES (OLD.user_id);
  END IF;
  IF TG_OP = 'INSERT' AND NEW.user_id IS NOT NULL
    OR TG_OP = 'UPDATE' AND NEW.user_id IS DISTINCT FROM OLD.user_id AND NEW.user_id IS NOT NULL THEN
    INSERT INTO account_changes (user_id) VALUES (NEW.user_id);
  END IF;
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_session_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO account_changes (user_id, session_id) VALUES (OLD.user_id, OLD.id);
  RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO account_changes (user_id, key_id) VALUES (OLD.user_id, OLD.id);
  RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER users_password BEFORE UPDATE OF password_hash ON users
  FOR EACH ROW WHEN (NEW.password_hash IS DISTINCT FROM OLD.password_hash) EXECUTE FUNCTION raise_password_version();

CREATE OR REPLACE TRIGGER users_changed AFTER UPDATE OF role, password_hash OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION note_user_change();

CREATE OR REPLACE TRIGGER subscriptions_changed AFTER INSERT OR UPDATE OR DELETE ON subscriptions
  FOR EACH ROW EXECUTE FUNCTION note_subscription_change();

CREATE OR REPLACE TRIGGER sessions_revoked AFTER UPDATE OF revoked_at OR DELETE ON sessions
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL) EXECUTE FUNCTION note_session_change();

CREATE OR REPLACE TRIGGER api_keys_revoked AFTER UPDATE OF revoked_at, scopes OR DELETE ON api_keys
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL) EXECUTE FUNCTION note_key_change();

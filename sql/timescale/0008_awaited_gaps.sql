-- A gap in which a dead writer had closed candles that only its spool may still hold: the epoch under which it did. Rows of
-- that epoch, and of no other, may come in later where the gap is and nothing is stored.
ALTER TABLE gaps ADD COLUMN IF NOT EXISTS awaits BIGINT;

CREATE INDEX IF NOT EXISTS gaps_awaited ON gaps (awaits) WHERE awaits IS NOT NULL;

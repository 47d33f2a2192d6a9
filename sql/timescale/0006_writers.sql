-- Who may write: one row a partition, a set of symbols with one writer. An epoch names one acquisition of one partition.
-- Whoever writes rows of an epoch holds a share lock on its row here while it does.
CREATE TABLE IF NOT EXISTS writers (
  partition TEXT PRIMARY KEY,
  epoch BIGINT NOT NULL,
  node TEXT NOT NULL,
  taken_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX IF NOT EXISTS writers_by_epoch ON writers (epoch);

-- What the last writer left in its spool before there was this table may still be written.
INSERT INTO writers (partition, epoch, node)
SELECT 'all', epoch, '' FROM writer_epochs
ON CONFLICT DO NOTHING;

-- Refuses the transaction unless all these epochs are current, and keeps them so until it ends.
CREATE OR REPLACE PROCEDURE require_writers(wanted BIGINT[]) LANGUAGE plpgsql AS $$
DECLARE
  held INTEGER;
BEGIN
  PERFORM FROM writers WHERE epoch = ANY (wanted) FOR SHARE;
  GET DIAGNOSTICS held = ROW_COUNT;
  IF held < cardinality(wanted) THEN
    RAISE EXCEPTION 'one of the epochs % is not a current writer', wanted USING ERRCODE = 'WF001';
  END IF;
END $$;

-- Ends sessions in the middle of a write whose client says nothing any more (it is frozen or cut off): their locks would
-- otherwise last until TCP gives the client up. What they wrote is rolled back.
CREATE OR REPLACE FUNCTION end_stuck_writers() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_stat_clear_snapshot();
  PERFORM pg_terminate_backend(a.pid)
  FROM pg_stat_activity a
  WHERE a.pid <> pg_backend_pid()
    AND a.datname = current_database()
    AND a.wait_event_type = 'Client'
    AND a.state_change < clock_timestamp() - INTERVAL '250 milliseconds'
    AND EXISTS (
      SELECT FROM pg_locks l
      WHERE l.pid = a.pid AND l.granted AND l.mode <> 'AccessShareLock'
        AND l.relation IN ('writers'::regclass, 'writer_epochs'::regclass));
EXCEPTION WHEN insufficient_privilege THEN
  -- Another role's session: it is waited for.
  NULL;
END $$;

-- Makes `taker` the one writer of a partition, under a new epoch. Waits for rows of the old writer that are being
-- written: afterwards none can appear. The partition 'all' and the others exclude each other.
CREATE OR REPLACE FUNCTION take_partition(taken TEXT, taker TEXT) RETURNS SETOF writer_epochs
LANGUAGE plpgsql SET lock_timeout = '250ms' AS $$
DECLARE
  counter writer_epochs;
BEGIN
  FOR attempt IN 1..20 LOOP
    BEGIN
      UPDATE writer_epochs SET epoch = epoch + 1 RETURNING * INTO STRICT counter;
      DELETE FROM writers WHERE (partition = 'all') <> (taken = 'all');
      INSERT INTO writers (partition, epoch, node, taken_at) VALUES (taken, counter.epoch, taker, clock_timestamp())
      ON CONFLICT (partition) DO UPDATE
        SET (epoch, node, taken_at) = (excluded.epoch, excluded.node, excluded.taken_at);
      RETURN NEXT counter;
      RETURN;
    EXCEPTION WHEN lock_not_available THEN
      PERFORM end_stuck_writers();
    END;
  END LOOP;
  RAISE EXCEPTION 'the partition % is held by a write that does not end', taken USING ERRCODE = 'lock_not_available';
END $$;

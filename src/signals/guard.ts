/**
 * What is written in the same statement as a batch of signals, and decides which of them are written: all of it happens,
 * or nothing does.
 *
 * `text` is one or more common table expressions, separated by commas, without WITH. One of them is named `guard` and has a
 * column `id` (UUID): of the batch, the signals that may be written. Its parameters are `$1` … of `values`. A rule's firings:
 *
 *     text: `guard AS (
 *       INSERT INTO rule_firings (rule_id, open_time, revision, signal_id)
 *       SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::int[], $4::uuid[]) AS f (rule_id, open_time, revision, signal_id)
 *       ORDER BY rule_id, open_time, revision
 *       ON CONFLICT DO NOTHING
 *       RETURNING signal_id AS id)`
 *
 * A firing that exists is not returned, so its signal is not written; it comes back among the refused as `guarded`.
 * What a guard writes must be written in one order by everybody (ORDER BY), so that two batches never wait for each other:
 * guards are taken before users, and users before heads. A signal that the guard lets pass may still be refused
 * (`unknown_user`, `daily_limit`); what the guard wrote then stays.
 */
export interface Guard {
  readonly text: string;
  /** More common table expressions, that may read `placed` (id, seq; seq is null where the signal was not written) and `guard`. */
  readonly after?: string;
  readonly values: readonly unknown[];
}

import type { Ack } from './signal.js';
import type { Sql } from './sql.js';

/**
 * In the order of their keys, so that two nodes never wait for each other. Nobody can have what was never given out: an
 * ack is held to the head.
 */
export async function storeAcks(sql: Sql, acks: readonly Ack[], now: string): Promise<readonly number[]> {
  const { rows } = await sql.query<{ user_id: string; device: string; seq: number }>(
    `INSERT INTO signal_acks AS known (user_id, device, seq, acked_at)
     SELECT given.user_id, given.device, least(given.seq, h.last_seq), $4
     FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS given (user_id, device, seq)
     JOIN signal_heads h ON h.user_id = given.user_id
     ORDER BY given.user_id, given.device
     ON CONFLICT (user_id, device) DO UPDATE SET seq = greatest(known.seq, EXCLUDED.seq), acked_at = EXCLUDED.acked_at
     RETURNING user_id, device, seq`,
    [acks.map(({ userId }) => userId), acks.map(({ device }) => device), acks.map(({ seq }) => seq), now],
  );
  const stored = new Map(rows.map((row) => [`${row.user_id} ${row.device}`, row.seq]));
  return acks.map(({ userId, device }) => stored.get(`${userId} ${device}`) ?? 0);
}

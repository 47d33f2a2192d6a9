import type { SignalData, SignalSource, StoredSignal } from './signal.js';

/** What READ_COLUMNS selects, of `signals` as `s` beside `signal_heads` as `h`. */
export interface SignalRow {
  readonly id: string;
  readonly user_id: string;
  readonly seq: number;
  readonly type: string;
  readonly symbol: string;
  readonly data: SignalData | null;
  readonly created_at: Date | null;
  readonly expires_at: Date | null;
  readonly read_at: Date | null;
  readonly source: SignalSource;
  readonly rule_id: string | null;
  readonly publisher_id: string | null;
  readonly corrects: string | null;
}

const COLUMNS = 's.id, s.user_id, s.seq, s.type, s.symbol, s.data, s.created_at, s.expires_at';
const MADE_BY = 's.source, s.rule_id, s.publisher_id, s.corrects';

/** For news, which nobody has read. */
export const NEWS_COLUMNS = `${COLUMNS}, s.read_at, ${MADE_BY}`;
export const READ_COLUMNS = `${COLUMNS}, coalesce(s.read_at, CASE WHEN s.seq <= h.read_seq THEN h.read_at END) AS read_at, ${MADE_BY}`;

export function toSignal(row: SignalRow): StoredSignal {
  return {
    id: row.id,
    userId: row.user_id,
    seq: row.seq,
    type: row.type,
    symbol: row.symbol,
    data: row.data,
    createdAt: row.created_at?.getTime() ?? 0,
    expiresAt: row.expires_at?.getTime() ?? null,
    readAt: row.read_at?.getTime() ?? null,
    source: row.source,
    ruleId: row.rule_id,
    publisherId: row.publisher_id,
    corrects: row.corrects,
  };
}

import type { Guard } from './guard.js';
import type { NewSignal } from './signal.js';

/** Names a request, so that it can be sent again and is done once. */
export interface RequestKey {
  readonly publisherId: string;
  /** 1 to 255 characters. */
  readonly key: string;
  /** SHA-256 of what is asked. */
  readonly bodyHash: Buffer;
}

export interface Request {
  readonly batch: readonly NewSignal[];
  readonly key: RequestKey | null;
}

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** The one row of the answer: of each signal its seq, or why it was not written; in order, parted by commas. */
export interface OutcomeRow {
  readonly outcome: string | null;
}

/** What is kept under a key. */
export interface KeptAnswer {
  readonly ids: readonly string[];
  readonly outcome: string;
}

const COLUMNS = [
  ['id', 'uuid'],
  ['user_id', 'uuid'],
  ['type', 'text'],
  ['symbol', 'text'],
  ['data', 'text'],
  ['expires_at', 'timestamptz'],
  ['source', 'text'],
  ['rule_id', 'uuid'],
  ['publisher_id', 'uuid'],
  ['corrects', 'uuid'],
  ['day_limit', 'int'],
  ['request', 'int'],
] as const;
const NAMES = COLUMNS.map(([name]) => name).join(', ');
const LARGEST_INTEGER = 2 ** 31 - 1;

/** Signals of the day that the user had before this statement. A node whose clock is behind does not begin a day anew. */
const HAD = 'CASE WHEN head.day >= EXCLUDED.day THEN head.day_count ELSE 0 END';
const ADDS = `least(EXCLUDED.added, greatest(0, EXCLUDED.day_limit - (${HAD})))`;

const OUTCOME = `string_agg(CASE WHEN seq IS NOT NULL THEN seq::text WHEN NOT passed THEN 'guarded' WHEN known THEN 'daily_limit' ELSE 'unknown_user' END, ',' ORDER BY n)`;

/**
 * All in one statement, so that it happens whole or not at all and no lock outlives it, whatever becomes of this process:
 * the guard, places for each user, rows, and the answers under the requests' keys.
 *
 * The heads of all users are raised in the order of their ids and stay locked until the commit, so that places are
 * committed in their order and two batches never wait for each other in a circle. Users are locked before their heads,
 * as whoever deletes a user does.
 */
export function insertStatement(requests: readonly Request[], createdAt: number, guard: Guard | null): Statement {
  const values: unknown[] = [...(guard?.values ?? [])];
  const parameter = (value: unknown): string => `$${values.push(value)}`;
  const arrays = columnsOf(requests).map((column, i) => `${parameter(column)}::${COLUMNS[i]?.[1]}[]`);
  const time = new Date(createdAt).toISOString();
  const created = parameter(time);
  const day = parameter(time.slice(0, 10));
  const text = `WITH ${guard === null ? '' : `${guard.text},`}
asked AS MATERIALIZED (
  SELECT *, ${guard === null ? 'true' : 'id IN (SELECT guard.id FROM guard)'} AS passed
  FROM unnest(${arrays.join(', ')}) WITH ORDINALITY AS item (${NAMES}, n)
),
owners AS MATERIALIZED (
  SELECT users.id FROM users WHERE users.id IN (SELECT user_id FROM asked WHERE passed) ORDER BY users.id FOR KEY SHARE
),
heads AS (
  INSERT INTO signal_heads AS head (user_id, last_seq, day, day_count, day_limit, added)
  SELECT user_id, least(count(*), min(day_limit)), ${day}::date, least(count(*), min(day_limit)), min(day_limit), least(count(*), min(day_limit))
  FROM asked JOIN owners ON owners.id = asked.user_id WHERE passed GROUP BY user_id ORDER BY user_id
  ON CONFLICT (user_id) DO UPDATE SET
    last_seq = head.last_seq + ${ADDS},
    day_count = (${HAD}) + ${ADDS},
    added = ${ADDS},
    day = greatest(head.day, EXCLUDED.day),
    day_limit = EXCLUDED.day_limit
  RETURNING user_id, last_seq, added
),
placed AS MATERIALIZED (
  SELECT asked.*, heads.user_id IS NOT NULL AS known,
    CASE WHEN row_number() OVER own <= heads.added THEN heads.last_seq - heads.added + row_number() OVER own END AS seq
  FROM asked LEFT JOIN heads ON heads.user_id = asked.user_id AND asked.passed
  WINDOW own AS (PARTITION BY asked.user_id, asked.passed ORDER BY asked.n)
),
stored AS (
  INSERT INTO signals (id, user_id, type, symbol, data, created_at, seq, expires_at, source, rule_id, publisher_id, corrects)
  SELECT id, user_id, type, symbol, data::jsonb, ${created}::timestamptz AT TIME ZONE 'UTC', seq, expires_at, source, rule_id, publisher_id, corrects
  FROM placed WHERE seq IS NOT NULL
)${guard?.after === undefined ? '' : `,\n${guard.after}`}${keptAnswers(requests, created, parameter)}
SELECT ${OUTCOME} AS outcome FROM placed`;
  return { text, values };
}

/** Written last and without ON CONFLICT: of two requests with one key the later one fails whole. */
function keptAnswers(requests: readonly Request[], created: string, parameter: (value: unknown) => string): string {
  const keyed = requests.flatMap(({ key }, index) => (key === null ? [] : [{ ...key, index }]));
  if (keyed.length === 0) return '';
  const index = parameter(keyed.map((key) => key.index));
  const publishers = parameter(keyed.map((key) => key.publisherId));
  const keys = parameter(keyed.map((key) => key.key));
  const hashes = parameter(keyed.map((key) => key.bodyHash.toString('hex')));
  return `,
kept AS (
  INSERT INTO signal_keys (publisher_id, key, body_hash, answer, created_at)
  SELECT publisher_id, key, decode(hash, 'hex'), answer, ${created}::timestamptz
  FROM unnest(${index}::int[], ${publishers}::uuid[], ${keys}::text[], ${hashes}::text[]) AS keyed (request, publisher_id, key, hash)
  JOIN (
    SELECT request, jsonb_build_object('ids', to_jsonb(array_agg(id ORDER BY n)), 'outcome', ${OUTCOME}) AS answer
    FROM placed GROUP BY request
  ) AS answers USING (request)
)`;
}

function columnsOf(requests: readonly Request[]): unknown[][] {
  const batch = requests.flatMap((request) => request.batch);
  return [
    batch.map(({ id }) => id),
    batch.map(({ userId }) => userId),
    batch.map(({ type }) => type),
    batch.map(({ symbol }) => symbol),
    batch.map(({ data }) => (data === null ? null : JSON.stringify(data))),
    batch.map(({ expiresAt }) => (expiresAt === null ? null : new Date(expiresAt).toISOString())),
    batch.map(({ source }) => source),
    batch.map(({ ruleId }) => ruleId),
    batch.map(({ publisherId }) => publisherId),
    batch.map(({ corrects }) => corrects),
    batch.map(({ dailyLimit }) => Math.max(0, Math.min(LARGEST_INTEGER, Math.floor(dailyLimit)))),
    requests.flatMap(({ batch }, request) => batch.map(() => request)),
  ];
}

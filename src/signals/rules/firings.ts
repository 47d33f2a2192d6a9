import type { Interval } from '../../market/interval.js';
import type { Guard } from '../guard.js';
import type { Sql } from '../sql.js';
import type { Firing, Progress } from './evaluator.js';
import type { Verdict } from './ledger.js';

export interface Series {
  readonly symbol: string;
  readonly interval: Interval;
}

/** What candles of a series brought: `firings`, on the way from one progress to the next. */
export interface Outcome {
  readonly series: Series;
  readonly from: Progress;
  readonly to: Progress;
  readonly firings: readonly Firing[];
}

interface VerdictRow {
  readonly rule_id: string;
  readonly open_time: number;
  readonly revision: number;
  readonly fires: boolean;
  readonly signal_id: string;
}

const VERDICT = 'f.rule_id, f.open_time, f.revision, f.fires, f.signal_id';
const RULES = 'rules r WHERE r.symbol = $1 AND r."interval" = $2 AND r.enabled';
const VERDICTS = `
SELECT ${VERDICT} FROM rule_firings f
WHERE f.rule_id IN (SELECT r.id FROM ${RULES}) AND f.open_time >= $3::bigint
UNION ALL
SELECT ${VERDICT} FROM (SELECT r.id FROM ${RULES}) r CROSS JOIN LATERAL (
  SELECT f.* FROM rule_firings f
  WHERE f.rule_id = r.id AND f.open_time < $3::bigint AND f.fires AND NOT EXISTS (
    SELECT FROM rule_firings g WHERE g.rule_id = f.rule_id AND g.open_time = f.open_time AND g.revision > f.revision)
  ORDER BY f.open_time DESC LIMIT 1
) f`;

/** Of each outcome what is known in memory, and where it moves to. */
const MOVE = (first: number) => `
UPDATE rule_progress p SET open_time = k.to_open_time, seq = k.to_seq
FROM unnest($${first}::text[], $${first + 1}::text[], $${first + 2}::bigint[], $${first + 3}::bigint[], $${first + 4}::bigint[],
  $${first + 5}::bigint[]) AS k (symbol, "interval", from_open_time, from_seq, to_open_time, to_seq)
WHERE p.symbol = k.symbol AND p."interval" = k."interval" AND p.open_time = k.from_open_time AND p.seq = k.from_seq
RETURNING p.symbol, p."interval"`;

const GUARD = `
moved AS (${MOVE(9)}),
guard AS (
  INSERT INTO rule_firings (rule_id, open_time, revision, fires, signal_id)
  SELECT g.rule_id, g.open_time, g.revision, g.fires, g.signal_id
  FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::int[], $5::bool[], $6::uuid[], $7::text[], $8::text[])
    AS g (rule_id, version, open_time, revision, fires, signal_id, symbol, "interval")
  JOIN moved ON moved.symbol = g.symbol AND moved."interval" = g."interval"
  JOIN rules r ON r.id = g.rule_id AND r.version = g.version AND r.enabled
  ORDER BY g.rule_id, g.open_time, g.revision
  ON CONFLICT DO NOTHING
  RETURNING signal_id AS id
)`;

/** The tables `rule_progress` and `rule_firings`. Every method rejects as the database does. */
export class Firings {
  constructor(private readonly sql: Sql) {}

  /** How far a series was judged; where nothing is known of it, it begins after `openTime`. */
  async begin({ symbol, interval }: Series, openTime: number): Promise<Progress> {
    const { rows } = await this.sql.query<{ open_time: number; seq: number }>(
      `WITH made AS (
         INSERT INTO rule_progress (symbol, "interval", open_time, seq) VALUES ($1, $2, $3::bigint, 0)
         ON CONFLICT DO NOTHING RETURNING open_time, seq)
       SELECT open_time, seq FROM made
       UNION ALL SELECT open_time, seq FROM rule_progress WHERE symbol = $1 AND "interval" = $2`,
      [symbol, interval, openTime],
    );
    const [row] = rows;
    // Somebody else made it after this statement began: it is there the next time.
    if (row === undefined) throw new Error(`the progress of ${symbol} ${interval} cannot be seen yet`);
    return { openTime: row.open_time, seq: row.seq };
  }

  /** Of the enabled rules of a series, by rule: verdicts from `since` (an open time) on, and the last firing before that stands. */
  async verdicts({ symbol, interval }: Series, since: number): Promise<ReadonlyMap<string, readonly Verdict[]>> {
    const { rows } = await this.sql.query<VerdictRow>(VERDICTS, [symbol, interval, since]);
    const byRule = new Map<string, Verdict[]>();
    for (const { rule_id, open_time, revision, fires, signal_id } of rows) {
      const verdicts = byRule.get(rule_id) ?? [];
      verdicts.push({ openTime: Number(open_time), revision, fires, signalId: signal_id });
      byRule.set(rule_id, verdicts);
    }
    return byRule;
  }

  /** Moves outcomes without firings. @returns those that were where they were thought to be. */
  async advance(outcomes: readonly Outcome[]): Promise<readonly Series[]> {
    const { rows } = await this.sql.query<Series>(MOVE(1), moves(outcomes));
    return rows;
  }

  /**
   * Forgets verdicts of candles that are `keepMs` older than the newest judged one of their series, but for each rule's
   * latest. @returns how many.
   */
  async prune(keepMs: number): Promise<number> {
    const { rows } = await this.sql.query<{ pruned: number }>(
      `WITH old AS (
         DELETE FROM rule_firings f USING rules r, rule_progress p
         WHERE r.id = f.rule_id AND p.symbol = r.symbol AND p."interval" = r."interval"
           AND f.open_time < p.open_time - $1::bigint
           AND f.open_time < (
             SELECT max(g.open_time) FROM rule_firings g WHERE g.rule_id = f.rule_id AND g.fires AND NOT EXISTS (
               SELECT FROM rule_firings h
               WHERE h.rule_id = g.rule_id AND h.open_time = g.open_time AND h.revision > g.revision))
         RETURNING 1)
       SELECT count(*)::int AS pruned FROM old`,
      [keepMs],
    );
    return rows[0]?.pruned ?? 0;
  }
}

/**
 * Writes the firings of these outcomes and moves their progress, or lets none of them pass where the progress is not what it was
 * thought to be. A firing of a rule that is gone, switched off or changed does not pass either.
 */
export function guardOf(outcomes: readonly Outcome[]): Guard {
  const rows = outcomes.flatMap(({ series, firings }) => firings.map((firing) => ({ ...firing, ...series })));
  return {
    text: GUARD,
    values: [
      rows.map(({ ruleId }) => ruleId),
      rows.map(({ version }) => version),
      rows.map(({ openTime }) => openTime),
      rows.map(({ revision }) => revision),
      rows.map(({ fires }) => fires),
      rows.map(({ signalId }) => signalId),
      rows.map(({ symbol }) => symbol),
      rows.map(({ interval }) => interval),
      ...moves(outcomes),
    ],
  };
}

function moves(outcomes: readonly Outcome[]): unknown[][] {
  return [
    outcomes.map(({ series }) => series.symbol),
    outcomes.map(({ series }) => series.interval),
    outcomes.map(({ from }) => from.openTime),
    outcomes.map(({ from }) => from.seq),
    outcomes.map(({ to }) => to.openTime),
    outcomes.map(({ to }) => to.seq),
  ];
}

import { v7 } from 'uuid';
import type { Interval } from '../../market/interval.js';
import type { Sql } from '../sql.js';
import type { Condition, Rule } from './schema.js';

/** A rule as it is in PostgreSQL. Times are epoch ms. */
export interface StoredRule extends Rule {
  readonly id: string;
  readonly userId: string;
  readonly enabled: boolean;
  readonly cooldownMs: number;
  readonly expiresAt: number | null;
  /** Open time of the newest candle that had closed when the rule was made or changed. */
  readonly startsAfter: number;
  readonly version: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly symbol: string;
  readonly interval: Interval;
  readonly definition: { readonly name?: string; readonly when: Condition; readonly data?: Record<string, unknown> };
  readonly enabled: boolean;
  readonly cooldown_ms: number;
  readonly expires_at: Date | null;
  readonly starts_after: number;
  readonly version: number;
  readonly created_at: Date;
  readonly updated_at: Date;
}

const COLUMNS = `id, user_id, symbol, "interval", definition, enabled, cooldown_ms, expires_at,
  starts_after, version, created_at, updated_at`;

/** The `rules` table. Every method rejects as the database does. */
export class RuleStore {
  constructor(private readonly sql: Sql) {}

  /**
   * @param startsAfter open time of the newest closed candle, 0 without any.
   * @returns null when the user has `most` rules already, or is none.
   */
  async create(userId: string, rule: Rule, now: number, startsAfter: number, most: number): Promise<StoredRule | null> {
    const { rows } = await this.sql.query<Row>(
      `SELECT ${COLUMNS} FROM create_rule(
         ROW($1::uuid, $2::uuid, $3::text, $4::text, $5::jsonb, true, $6::bigint, $7::timestamptz, $8::bigint, 1,
             $9::timestamptz, $9::timestamptz)::rules, $10::int)`,
      [
        v7({ msecs: now }),
        userId,
        rule.symbol,
        rule.interval,
        definitionOf(rule),
        rule.cooldownMs ?? 0,
        utc(rule.expiresAt ?? null),
        startsAfter,
        utc(now),
        Math.min(most, 2 ** 31 - 1),
      ],
    );
    return rows[0] === undefined ? null : toRule(rows[0]);
  }

  /** What becomes of a rule is what is given; symbol and interval stay. @returns null when the user has no such rule. */
  async update(
    userId: string,
    id: string,
    rule: Rule & { readonly enabled: boolean },
    now: number,
    startsAfter: number,
  ): Promise<StoredRule | null> {
    const { rows } = await this.sql.query<Row>(
      `UPDATE rules SET definition = $3::jsonb, enabled = $4, cooldown_ms = $5::bigint, expires_at = $6::timestamptz,
         starts_after = greatest(starts_after, $7::bigint), updated_at = $8::timestamptz
       WHERE id = $2::uuid AND user_id = $1::uuid RETURNING ${COLUMNS}`,
      [
        userId,
        id,
        definitionOf(rule),
        rule.enabled,
        rule.cooldownMs ?? 0,
        utc(rule.expiresAt ?? null),
        startsAfter,
        utc(now),
      ],
    );
    return rows[0] === undefined ? null : toRule(rows[0]);
  }

  /** @returns the symbol it was on; null when the user has no such rule. */
  async remove(userId: string, id: string): Promise<string | null> {
    const { rows } = await this.sql.query<{ symbol: string }>(
      'DELETE FROM rules WHERE id = $2::uuid AND user_id = $1::uuid RETURNING symbol',
      [userId, id],
    );
    return rows[0]?.symbol ?? null;
  }

  /**
   * @param isOn whether the rule itself is enabled.
   * @returns how many of the user's other enabled rules have their place in the plan before this one: those that are older, and
   * where it is off all of them.
   */
  async ahead(userId: string, id: string, isOn: boolean): Promise<number> {
    const { rows } = await this.sql.query<{ ahead: number }>(
      `SELECT count(*)::int AS ahead FROM rules
       WHERE user_id = $1::uuid AND enabled AND id <> $2::uuid AND (id < $2::uuid OR NOT $3::bool)`,
      [userId, id, isOn],
    );
    return rows[0]?.ahead ?? 0;
  }

  /** Of users, given with how many enabled rules they may have: the id of the first one too many, by age. */
  async firstBeyond(limits: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.sql.query<{ user_id: string; id: string }>(
      `SELECT owner.user_id, beyond.id FROM unnest($1::uuid[], $2::int[]) AS owner (user_id, most)
       CROSS JOIN LATERAL (
         SELECT r.id FROM rules r WHERE r.user_id = owner.user_id AND r.enabled ORDER BY r.id OFFSET owner.most LIMIT 1
       ) AS beyond`,
      [[...limits.keys()], [...limits.values()]],
    );
    return new Map(rows.map(({ user_id, id }) => [user_id, id]));
  }

  async find(userId: string, id: string): Promise<StoredRule | null> {
    const { rows } = await this.sql.query<Row>(
      `SELECT ${COLUMNS} FROM rules WHERE id = $2::uuid AND user_id = $1::uuid`,
      [userId, id],
    );
    return rows[0] === undefined ? null : toRule(rows[0]);
  }

  /** By id, those after `after`. */
  async list(userId: string, after: string | null, limit: number): Promise<StoredRule[]> {
    const { rows } = await this.sql.query<Row>(
      `SELECT ${COLUMNS} FROM rules WHERE user_id = $1::uuid AND ($2::uuid IS NULL OR id > $2::uuid) ORDER BY id LIMIT $3`,
      [userId, after, limit],
    );
    return rows.map(toRule);
  }

  /** Enabled rules on a symbol, by id. */
  async enabled(symbol: string): Promise<StoredRule[]> {
    const { rows } = await this.sql.query<Row>(
      `SELECT ${COLUMNS} FROM rules WHERE symbol = $1 AND enabled ORDER BY id`,
      [symbol],
    );
    return rows.map(toRule);
  }

  /** Every symbol that ever had a rule, with a number that grows with each change. */
  async versions(): Promise<ReadonlyMap<string, number>> {
    const { rows } = await this.sql.query<{ symbol: string; version: number }>(
      'SELECT symbol, version FROM rule_symbols',
      [],
    );
    return new Map(rows.map(({ symbol, version }) => [symbol, version]));
  }
}

function definitionOf({ name, when, data }: Rule): string {
  return JSON.stringify({ name, when, data });
}

function utc(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

function toRule(row: Row): StoredRule {
  return {
    ...row.definition,
    id: row.id,
    userId: row.user_id,
    symbol: row.symbol,
    interval: row.interval,
    enabled: row.enabled,
    cooldownMs: row.cooldown_ms,
    expiresAt: row.expires_at?.getTime() ?? null,
    startsAfter: row.starts_after,
    version: row.version,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
  };
}

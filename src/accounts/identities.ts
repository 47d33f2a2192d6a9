import type { Clock } from '../kit/clock.js';
import type { AuthResult, Identity } from '../wire/identity.js';
import { toScopes } from './api-keys.js';
import { bestOf, type Plans } from './plans.js';
import { type Sql, utc, utcDay } from './sql.js';
import { plansInForce } from './subscriptions.js';
import { toRole } from './users.js';

/** Whom to look at. Both null: a user by a token of another provider. */
export type Claimed = Pick<Identity, 'userId' | 'sessionId' | 'keyId' | 'expiresAt'>;

/** Identities read by one statement. */
const BATCH = 500;

interface Row {
  readonly user_id: string | null;
  readonly role: string | null;
  readonly session_id: string | null;
  readonly key_id: string | null;
  readonly scopes: readonly string[] | null;
  readonly plans: readonly string[] | null;
}

const LOAD = `
  SELECT users.id AS user_id, users.role, sessions.id AS session_id, api_keys.id AS key_id, api_keys.scopes,
    CASE WHEN users.id IS NULL THEN NULL ELSE ${plansInForce('$5')} END AS plans
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) WITH ORDINALITY AS claimed (user_id, session_id, key_id, place)
  LEFT JOIN users ON users.id = claimed.user_id
  LEFT JOIN sessions ON sessions.id = claimed.session_id AND sessions.user_id = users.id
    AND sessions.revoked_at IS NULL AND sessions.expires_at > $4 AND sessions.password_version = users.password_version
  LEFT JOIN api_keys ON api_keys.id = claimed.key_id AND api_keys.user_id = users.id AND api_keys.revoked_at IS NULL
  ORDER BY claimed.place`;

/** What the database says now about somebody who has proved who they are. */
export class Identities {
  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
    private readonly plans: Plans,
  ) {}

  /** In the order of `claimed`. */
  async load(claimed: readonly Claimed[]): Promise<AuthResult[]> {
    const results: AuthResult[] = [];
    for (let from = 0; from < claimed.length; from += BATCH)
      results.push(...(await this.#batch(claimed.slice(from, from + BATCH))));
    return results;
  }

  async #batch(claimed: readonly Claimed[]): Promise<AuthResult[]> {
    const now = this.clock.now();
    const { rows } = await this.sql.query<Row>(LOAD, [
      claimed.map(({ userId }) => userId),
      claimed.map(({ sessionId }) => sessionId),
      claimed.map(({ keyId }) => keyId),
      utc(now),
      utcDay(now),
    ]);
    return claimed.map((claim, index) => this.#judge(claim, rows[index], now));
  }

  #judge({ userId, sessionId, keyId, expiresAt }: Claimed, row: Row | undefined, now: number): AuthResult {
    if (row === undefined || row.user_id === null) return { failure: 'revoked' };
    if (row.session_id !== sessionId || row.key_id !== keyId) return { failure: 'revoked' };
    if (expiresAt !== null && expiresAt <= now) return { failure: 'token_expired' };
    return {
      userId,
      role: toRole(row.role),
      scopes: keyId === null ? null : toScopes(row.scopes ?? []),
      sessionId,
      keyId,
      expiresAt,
      entitlements: bestOf(this.plans, row.plans ?? []),
    };
  }
}

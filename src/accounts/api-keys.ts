import { v7 } from 'uuid';
import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { SCOPES, type Scope, type UserRole } from '../wire/identity.js';
import { AccountError } from './errors.js';
import { hashSecret, isSecretOf, newSecret } from './secrets.js';
import { type Sql, utc } from './sql.js';

export const API_KEY_PREFIX = 'cck_';
export const KEYS_PER_USER = 50;
/** `last used` is written this often at most. */
const USED_PERIOD_MS = 60_000;
/** Keys whose last use is remembered. */
const USED_MAX = 10_000;
const KEY = /^cck_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

export interface ApiKey {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Epoch ms. */
  readonly createdAt: number;
  /** Epoch ms, to the minute; null = never. */
  readonly lastUsedAt: number | null;
}

export interface NewApiKey {
  readonly name: string;
  readonly scopes: readonly Scope[];
}

interface Row {
  readonly id: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly created_at: Date;
  readonly last_used_at: Date | null;
}

/** The `api_keys` table. A key is `cck_<id>_<secret>`, of which only the hash of the secret is kept. */
export class ApiKeys {
  readonly #used = new Map<string, number>();
  #writing: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** @returns the key, which nobody can be shown again. @throws AccountError */
  async create(userId: string, role: UserRole, { name, scopes }: NewApiKey): Promise<{ key: string; entry: ApiKey }> {
    if (role === 'user' && scopes.includes('signals:write'))
      throw new AccountError('scope_not_allowed', 'only publishers may have keys with signals:write');
    const now = this.clock.now();
    const id = v7({ msecs: now });
    const secret = newSecret();
    const { rowCount } = await this.sql.query(
      `INSERT INTO api_keys (id, user_id, name, secret_hash, scopes, created_at)
       SELECT $1, id, $3, $4, $5, $6 FROM users WHERE id = $2
         AND (SELECT count(*) FROM api_keys WHERE user_id = $2 AND revoked_at IS NULL) < ${KEYS_PER_USER}`,
      [id, userId, name, hashSecret(secret), [...scopes], utc(now)],
    );
    if (rowCount === 0) throw new AccountError('too_many_keys', `a user may have ${KEYS_PER_USER} keys: revoke one`);
    const key = `${API_KEY_PREFIX}${id.replaceAll('-', '')}_${secret}`;
    return { key, entry: { id, name, scopes, createdAt: now, lastUsedAt: null } };
  }

  async list(userId: string): Promise<ApiKey[]> {
    const { rows } = await this.sql.query<Row>(
      'SELECT id, name, scopes, created_at, last_used_at FROM api_keys WHERE user_id = $1 AND revoked_at IS NULL ORDER BY id',
      [userId],
    );
    return rows.map((row) => ({
      id: row.id,
      name: row.name,
      scopes: toScopes(row.scopes),
      createdAt: row.created_at.getTime(),
      lastUsedAt: row.last_used_at?.getTime() ?? null,
    }));
  }

  /** @returns false when the user has no such key. */
  async revoke(userId: string, keyId: string): Promise<boolean> {
    const { rowCount } = await this.sql.query(
      'UPDATE api_keys SET revoked_at = $3 WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL',
      [userId, keyId, utc(this.clock.now())],
    );
    return rowCount === 1;
  }

  /** Whose key it is. */
  async verify(key: string): Promise<{ userId: string; keyId: string } | { failure: 'invalid_token' | 'revoked' }> {
    const [, hex, secret] = KEY.exec(key) ?? [];
    if (hex === undefined || secret === undefined) return { failure: 'invalid_token' };
    const { rows } = await this.sql.query<{ id: string; user_id: string; secret_hash: Buffer; revoked: boolean }>(
      'SELECT id, user_id, secret_hash, revoked_at IS NOT NULL AS revoked FROM api_keys WHERE id = $1::uuid',
      [hex],
    );
    const [row] = rows;
    if (row === undefined || !isSecretOf(row.secret_hash, secret)) return { failure: 'invalid_token' };
    return row.revoked ? { failure: 'revoked' } : { userId: row.user_id, keyId: row.id };
  }

  /** Notes that a key was used, without letting its user wait for that. */
  touch(keyId: string): void {
    const now = this.clock.now();
    if (now - (this.#used.get(keyId) ?? Number.NEGATIVE_INFINITY) < USED_PERIOD_MS) return;
    this.#used.delete(keyId);
    this.#used.set(keyId, now);
    const [oldest] = this.#used.keys();
    if (this.#used.size > USED_MAX && oldest !== undefined) this.#used.delete(oldest);
    const writing = this.sql.query(
      'UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)',
      [keyId, utc(now), utc(now - USED_PERIOD_MS)],
    );
    const noted = writing.catch((error: unknown) =>
      this.log.debug({ error: String(error) }, 'the last use of a key was not noted'),
    );
    this.#writing = Promise.all([this.#writing, noted]);
  }

  /** Resolves when what `touch` began has ended. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}

/** Scopes of other versions give nothing. */
export function toScopes(names: readonly string[]): Scope[] {
  return SCOPES.filter((scope) => names.includes(scope));
}

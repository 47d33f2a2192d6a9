import { randomBytes } from 'node:crypto';
import { v7 } from 'uuid';
import { Passwords } from '../../../src/accounts/passwords.js';
import { hashSecret, newSecret } from '../../../src/accounts/secrets.js';
import { SESSION_MS } from '../../../src/accounts/sessions.js';
import { parseTokenKeys } from '../../../src/accounts/token-keys.js';
import { AccessTokens } from '../../../src/accounts/tokens.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { openPool, type Pool } from '../../../src/store/relational.js';
import { SCOPES, type UserRole } from '../../../src/wire/identity.js';

export const JWT_SECRET = 'the-secret-that-all-nodes-of-this-cluster-share';
/** Everybody's. */
export const PASSWORD = 'Password-of-everybody-3c1f';

export interface TestUser {
  readonly id: string;
  readonly email: string;
  readonly sessionId: string;
  /** Of that session. */
  readonly accessToken: string;
  readonly keyId: string;
  /** With every scope. */
  readonly key: string;
}

export interface NewTestUsers {
  readonly role?: UserRole;
  readonly plan?: string | null;
}

/** Accounts written straight into the database, with a session and an API key each: thousands of passwords would take minutes. */
export class TestAccounts {
  readonly #tokens = new AccessTokens(parseTokenKeys(JWT_SECRET), systemClock);

  private constructor(
    readonly sql: Pool,
    private readonly passwordHash: string,
  ) {}

  /** The tables are there when a node with accounts is ready. */
  static async in({ url }: { readonly url: string }): Promise<TestAccounts> {
    const sql = openPool({ url, log: silentLog, max: 2, deadlineMs: 60_000 });
    return new TestAccounts(sql, await new Passwords().hash(PASSWORD));
  }

  async make(count: number, { role = 'user', plan = 'pro' }: NewTestUsers = {}): Promise<TestUser[]> {
    const drafts = Array.from({ length: count }, () => {
      const [id, sessionId, keyId, secret] = [v7(), v7(), v7(), newSecret()];
      const key = `cck_${keyId.replaceAll('-', '')}_${secret}`;
      return { id, email: `${id}@example.com`, sessionId, keyId, key, keyHash: hashSecret(secret) };
    });
    const ids = drafts.map(({ id }) => id);
    const emails = drafts.map(({ email }) => email);
    await this.sql.query(
      `INSERT INTO users (id, email, password_hash, role) SELECT u, e, $3, $4 FROM unnest($1::uuid[], $2::text[]) AS d (u, e)`,
      [ids, emails, this.passwordHash, role],
    );
    const expiry = new Date(Date.now() + SESSION_MS).toISOString();
    const hashes = () => drafts.map(() => randomBytes(32));
    await this.sql.query(
      `INSERT INTO sessions (id, user_id, family_hash, token_hash, password_version, created_at, refreshed_at, expires_at)
       SELECT s, u, f, t, 0, now(), now(), $5 FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[]) AS d (s, u, f, t)`,
      [drafts.map(({ sessionId }) => sessionId), ids, hashes(), hashes(), expiry],
    );
    await this.sql.query(
      `INSERT INTO api_keys (id, user_id, name, secret_hash, scopes, created_at)
       SELECT k, u, 'test', h, $4::text[], now() FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS d (k, u, h)`,
      [drafts.map(({ keyId }) => keyId), ids, drafts.map(({ keyHash }) => keyHash), [...SCOPES]],
    );
    if (plan !== null)
      await this.sql.query(
        `INSERT INTO subscriptions (id, user_id, plan, start_date) SELECT s, u, $3, '2020-01-01' FROM unnest($1::uuid[], $2::uuid[]) AS d (s, u)`,
        [ids.map(() => v7()), ids, plan],
      );
    return Promise.all(
      drafts.map(async ({ keyHash: _, ...user }) => {
        const { token } = await this.#tokens.issue(user.id, user.sessionId, role);
        return { ...user, accessToken: token };
      }),
    );
  }

  /** Another session of the user. */
  async session({ id }: TestUser, role: UserRole = 'user'): Promise<{ sessionId: string; accessToken: string }> {
    const sessionId = v7();
    await this.sql.query(
      `INSERT INTO sessions (id, user_id, family_hash, token_hash, password_version, created_at, refreshed_at, expires_at)
       SELECT $1, id, $3, $4, password_version, now(), now(), $5 FROM users WHERE id = $2`,
      [sessionId, id, randomBytes(32), randomBytes(32), new Date(Date.now() + SESSION_MS).toISOString()],
    );
    return { sessionId, accessToken: (await this.#tokens.issue(id, sessionId, role)).token };
  }

  async stop(): Promise<void> {
    await this.sql.close();
  }
}

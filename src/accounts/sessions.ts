import { v7 } from 'uuid';
import type { Clock } from '../kit/clock.js';
import { AccountError } from './errors.js';
import { hashSecret, newSecret } from './secrets.js';
import { type Sql, utc } from './sql.js';
import type { Credentials } from './users.js';

/** A session that is not refreshed for this long is over. */
export const SESSION_MS = 30 * 86_400_000;
/** A user's oldest sessions beyond these end. */
export const SESSIONS_PER_USER = 50;
/** The token before the latest one is, for this long, taken for a request sent twice and not for a stolen token. */
export const SUPERSEDED_MS = 10_000;

/** `ccr_<family>.<secret>`: whoever has any token of a session, however old, knows its family; nobody else does. */
const TOKEN = /^ccr_([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})$/;

export interface Session {
  readonly id: string;
  readonly userId: string;
  /** Shown once: only its hash is kept. */
  readonly refreshToken: string;
  /** SHA-256 of it. */
  readonly tokenHash: Buffer;
  /** Epoch ms; of the refresh token. */
  readonly expiresAt: number;
}

export interface NewSession {
  /** What the user calls it. */
  readonly device: string | null;
  /** Hash of the secret by which a device is known again. */
  readonly deviceHash: Buffer | null;
}

export type Rotation =
  | { readonly session: Session }
  /** `ended`: this was a token of a session that has been ended just now, since its token was used twice. */
  | { readonly failure: 'invalid_token' | 'refresh_superseded' | 'revoked'; readonly ended: EndedSession | null };

export interface EndedSession {
  readonly userId: string;
  readonly sessionId: string;
}

export interface ListedSession {
  readonly id: string;
  readonly device: string | null;
  /** Epoch ms, all three. */
  readonly createdAt: number;
  readonly refreshedAt: number;
  readonly expiresAt: number;
}

interface ListedRow {
  readonly id: string;
  readonly device: string | null;
  readonly created_at: Date;
  readonly refreshed_at: Date;
  readonly expires_at: Date;
}

interface StateRow {
  readonly id: string;
  readonly user_id: string;
  readonly alive: boolean;
  readonly superseded: boolean;
}

/** The `sessions` table: a login of one device each. */
export class Sessions {
  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
  ) {}

  /** Under the password that was verified: one that has been changed meanwhile leaves a session that is over. @throws AccountError */
  async create(user: Credentials, { device, deviceHash }: NewSession): Promise<Session> {
    const now = this.clock.now();
    const id = v7({ msecs: now });
    const family = newSecret();
    const session = this.#next(id, user.userId, family, now);
    const { rowCount } = await this.sql.query(
      `INSERT INTO sessions (id, user_id, family_hash, token_hash, password_version, device, device_hash, created_at, refreshed_at, expires_at)
       SELECT $1, id, $3, $4, $5, $6, $7, $8, $8, $9 FROM users WHERE id = $2`,
      [
        id,
        user.userId,
        hashSecret(family),
        session.tokenHash,
        user.passwordVersion,
        device,
        deviceHash,
        utc(now),
        utc(session.expiresAt),
      ],
    );
    if (rowCount === 0) throw new AccountError('invalid_credentials', 'email or password is wrong');
    await this.#endOldest(user.userId, now);
    return session;
  }

  /** A new token for the latest one, which is used up. Any older one ends the session: somebody has a copy of it. */
  async rotate(token: string): Promise<Rotation> {
    const [, family] = TOKEN.exec(token) ?? [];
    if (family === undefined) return { failure: 'invalid_token', ended: null };
    const now = this.clock.now();
    const familyHash = hashSecret(family);
    const next = this.#next('', '', family, now);
    const { rows } = await this.sql.query<StateRow>(
      `UPDATE sessions SET previous_hash = token_hash, token_hash = $3, refreshed_at = $4, expires_at = $5
       FROM users WHERE family_hash = $1 AND token_hash = $2 AND revoked_at IS NULL AND expires_at > $4
         AND users.id = sessions.user_id AND users.password_version = sessions.password_version
       RETURNING sessions.id, sessions.user_id`,
      [familyHash, hashSecret(token), next.tokenHash, utc(now), utc(next.expiresAt)],
    );
    const [row] = rows;
    if (row !== undefined) return { session: { ...next, id: row.id, userId: row.user_id } };
    return this.#refuse(familyHash, hashSecret(token), now);
  }

  /** @returns whether it was alive. */
  async end(userId: string, sessionId: string): Promise<boolean> {
    const { rowCount } = await this.sql.query(
      'UPDATE sessions SET revoked_at = $3 WHERE id = $2 AND user_id = $1 AND revoked_at IS NULL',
      [userId, sessionId, utc(this.clock.now())],
    );
    return rowCount === 1;
  }

  async endAll(userId: string): Promise<void> {
    await this.sql.query('UPDATE sessions SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL', [
      userId,
      utc(this.clock.now()),
    ]);
  }

  /** The session that was refreshed last; null when none is alive. */
  async latest(userId: string): Promise<{ readonly tokenHash: Buffer; readonly expiresAt: number } | null> {
    const { rows } = await this.sql.query<{ token_hash: Buffer; expires_at: Date }>(
      `SELECT token_hash, expires_at FROM sessions JOIN users ON users.id = user_id
       WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND users.password_version = sessions.password_version
       ORDER BY refreshed_at DESC, sessions.id DESC LIMIT 1`,
      [userId, utc(this.clock.now())],
    );
    const [row] = rows;
    return row === undefined ? null : { tokenHash: row.token_hash, expiresAt: row.expires_at.getTime() };
  }

  /** Those that are alive, by when they began. */
  async list(userId: string): Promise<ListedSession[]> {
    const { rows } = await this.sql.query<ListedRow>(
      `SELECT sessions.id, device, sessions.created_at, refreshed_at, expires_at FROM sessions JOIN users ON users.id = user_id
       WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND users.password_version = sessions.password_version
       ORDER BY sessions.id`,
      [userId, utc(this.clock.now())],
    );
    return rows.map((row) => ({
      id: row.id,
      device: row.device,
      createdAt: row.created_at.getTime(),
      refreshedAt: row.refreshed_at.getTime(),
      expiresAt: row.expires_at.getTime(),
    }));
  }

  /** Whether this account was logged in to on this device. */
  async isKnownDevice(email: string, deviceHash: Buffer): Promise<boolean> {
    const { rows } = await this.sql.query(
      `SELECT 1 FROM sessions JOIN users ON users.id = user_id WHERE lower(email) = $1 AND device_hash = $2 LIMIT 1`,
      [email, deviceHash],
    );
    return rows.length === 1;
  }

  #next(id: string, userId: string, family: string, now: number): Session {
    const refreshToken = `ccr_${family}.${newSecret()}`;
    return { id, userId, refreshToken, tokenHash: hashSecret(refreshToken), expiresAt: now + SESSION_MS };
  }

  async #refuse(familyHash: Buffer, tokenHash: Buffer, now: number): Promise<Rotation> {
    const { rows } = await this.sql.query<StateRow>(
      `SELECT sessions.id, user_id, coalesce(previous_hash = $2 AND refreshed_at > $3, false) AS superseded,
         revoked_at IS NULL AND expires_at > $4 AND users.password_version = sessions.password_version AS alive
       FROM sessions JOIN users ON users.id = user_id WHERE family_hash = $1`,
      [familyHash, tokenHash, utc(now - SUPERSEDED_MS), utc(now)],
    );
    const [row] = rows;
    if (row === undefined) return { failure: 'invalid_token', ended: null };
    if (!row.alive) return { failure: 'revoked', ended: null };
    if (row.superseded) return { failure: 'refresh_superseded', ended: null };
    const ended = await this.end(row.user_id, row.id);
    return { failure: 'revoked', ended: ended ? { userId: row.user_id, sessionId: row.id } : null };
  }

  async #endOldest(userId: string, now: number): Promise<void> {
    await this.sql.query(
      `UPDATE sessions SET revoked_at = $2 WHERE id IN (
         SELECT id FROM sessions WHERE user_id = $1 AND revoked_at IS NULL
         ORDER BY refreshed_at DESC, id DESC OFFSET ${SESSIONS_PER_USER})`,
      [userId, utc(now)],
    );
  }
}

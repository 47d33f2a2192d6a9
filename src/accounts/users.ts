import { v7 } from 'uuid';
import type { Clock } from '../kit/clock.js';
import type { UserRole } from '../wire/identity.js';
import { type Sql, utc } from './sql.js';

/** Of an account that nobody can log in to with a password. */
export const NO_PASSWORD = '!';

export interface User {
  readonly id: string;
  readonly email: string;
  readonly role: UserRole;
  /** Epoch ms. */
  readonly createdAt: number;
}

export interface Credentials {
  readonly userId: string;
  readonly email: string;
  readonly role: UserRole;
  readonly passwordHash: string;
  readonly passwordVersion: number;
}

export interface NewUser {
  readonly email: string;
  readonly role: UserRole;
  readonly passwordHash: string;
}

interface UserRow {
  readonly id: string;
  readonly email: string;
  readonly role: string | null;
  readonly created_at: Date | null;
}

interface CredentialsRow extends UserRow {
  readonly password_hash: string;
  readonly password_version: number;
}

const COLUMNS = 'id, email, role, created_at';
const LIKE_SPECIAL = /[\\%_]/g;

/** The `users` table. Addresses are stored in lower case. */
export class Users {
  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
  ) {}

  /** @returns null when the address is taken. */
  async create({ email, role, passwordHash }: NewUser): Promise<User | null> {
    const now = this.clock.now();
    const id = v7({ msecs: now });
    const { rowCount } = await this.sql.query(
      `INSERT INTO users (id, email, password_hash, role, created_at, updated_at)
       SELECT $1, $2::text, $3, $4, $5::timestamp, $5::timestamp
       WHERE NOT EXISTS (SELECT FROM users WHERE lower(email) = $2::text)
       ON CONFLICT (email) DO NOTHING`,
      [id, email, passwordHash, role, utc(now)],
    );
    return rowCount === 1 ? { id, email, role, createdAt: now } : null;
  }

  async credentials(by: { readonly email: string } | { readonly id: string }): Promise<Credentials | null> {
    const [where, value] = 'id' in by ? ['id = $1', by.id] : ['lower(email) = $1', by.email];
    const { rows } = await this.sql.query<CredentialsRow>(
      `SELECT ${COLUMNS}, password_hash, password_version FROM users WHERE ${where} ORDER BY id LIMIT 1`,
      [value],
    );
    const [row] = rows;
    if (row === undefined) return null;
    const { id, email, role } = toUser(row);
    return { userId: id, email, role, passwordHash: row.password_hash, passwordVersion: row.password_version };
  }

  async find(id: string): Promise<User | null> {
    const { rows } = await this.sql.query<UserRow>(`SELECT ${COLUMNS} FROM users WHERE id = $1`, [id]);
    return rows[0] === undefined ? null : toUser(rows[0]);
  }

  /** By id, those after `after`; `search` is a part of the address. */
  async list(after: string | null, limit: number, search: string | null): Promise<User[]> {
    const pattern = search === null ? null : `%${search.toLowerCase().replace(LIKE_SPECIAL, '\\$&')}%`;
    const { rows } = await this.sql.query<UserRow>(
      `SELECT ${COLUMNS} FROM users WHERE ($1::uuid IS NULL OR id > $1) AND ($2::text IS NULL OR lower(email) LIKE $2)
       ORDER BY id LIMIT $3`,
      [after, pattern, limit],
    );
    return rows.map(toUser);
  }

  /** @returns false when there is no such user. */
  async setRole(id: string, role: UserRole): Promise<boolean> {
    const { rowCount } = await this.sql.query('UPDATE users SET role = $2, updated_at = $3::timestamp WHERE id = $1', [
      id,
      role,
      utc(this.clock.now()),
    ]);
    return rowCount === 1;
  }

  /**
   * Ends every session of the user but `keepSession`, by the version that each of them carries.
   * @returns false when the password is not `oldHash` any more.
   */
  async setPassword(id: string, oldHash: string, newHash: string, keepSession: string | null): Promise<boolean> {
    const { rows } = await this.sql.query<{ changed: number }>(
      `WITH changed AS (
         UPDATE users SET password_hash = $3, updated_at = $5::timestamp WHERE id = $1 AND password_hash = $2
         RETURNING id, password_version),
       kept AS (
         UPDATE sessions SET password_version = changed.password_version FROM changed
         WHERE sessions.id = $4 AND sessions.user_id = changed.id)
       SELECT count(*) AS changed FROM changed`,
      [id, oldHash, newHash, keepSession, utc(this.clock.now())],
    );
    return rows[0]?.changed === 1;
  }

  /** With everything that is theirs. @returns false when there is no such user. */
  async delete(id: string): Promise<boolean> {
    const { rowCount } = await this.sql.query('DELETE FROM users WHERE id = $1', [id]);
    return rowCount === 1;
  }
}

/** A role that was written by hand and is none gives no more rights than a user has. */
export function toRole(text: string | null): UserRole {
  return text === 'admin' || text === 'publisher' ? text : 'user';
}

function toUser({ id, email, role, created_at }: UserRow): User {
  return { id, email, role: toRole(role), createdAt: created_at?.getTime() ?? 0 };
}

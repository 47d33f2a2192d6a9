import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Accounts, type AccountsOptions } from '../../src/accounts/accounts.js';
import { memoryCounters } from '../../src/accounts/counters.js';
import { createUser } from '../../src/accounts/create-user.js';
import { LOGIN_RULES } from '../../src/accounts/login-limits.js';
import { DEFAULT_PLANS } from '../../src/accounts/plans.js';
import { parseTokenKeys } from '../../src/accounts/token-keys.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { migrate } from '../../src/store/migrate.js';
import { openPool, type Pool } from '../../src/store/relational.js';
import type { AuthResult, Identity, UserRole } from '../../src/wire/identity.js';
import { ManualClock } from '../feed/manual-clock.js';
import { realPostgres, type TestDatabase, testDatabase } from '../support/database.js';

const MIGRATIONS = join(fileURLToPath(new URL('../..', import.meta.url)), 'sql', 'postgres');
export const JWT_SECRET = 'k1:0123456789abcdef0123456789abcdef,k2:fedcba9876543210fedcba9876543210';
export const PASSWORD = 'correct horse battery';
/** Noon, 22 November 2026 UTC. */
export const NOON = Date.UTC(2026, 10, 22, 12);

export interface AccountsDatabase {
  readonly pool: Pool;
  readonly database: TestDatabase;
  stop(): Promise<void>;
}

/** A database with the tables of accounts, on either engine. */
export async function accountsDatabase(kind: 'embedded' | 'real'): Promise<AccountsDatabase> {
  const database = await (kind === 'real' ? realPostgres() : testDatabase());
  const sql = database.connect({ max: 1 });
  await migrate({ sql, directory: MIGRATIONS, log: silentLog });
  await sql.end();
  const pool = openPool({ url: database.url, log: silentLog, deadlineMs: 30_000 });
  return {
    pool,
    database,
    async stop() {
      await pool.close();
      await database.stop();
    },
  };
}

/** Limits that no test meets by accident. */
export const GENEROUS = {
  ...LOGIN_RULES,
  perAddress: 10_000,
  perAccountAndAddress: 10_000,
  registrationsPerAddress: 10_000,
};

export function accountsOn(
  pool: Pool,
  options: Partial<AccountsOptions> = {},
): { accounts: Accounts; clock: ManualClock } {
  const clock = new ManualClock(NOON);
  const accounts = new Accounts({
    sql: pool,
    clock,
    log: silentLog,
    provider: { keys: parseTokenKeys(JWT_SECRET) },
    plans: DEFAULT_PLANS,
    registration: true,
    counters: memoryCounters,
    announcer: null,
    sessionStore: null,
    loginRules: GENEROUS,
    ...options,
  });
  return { accounts, clock };
}

let made = 0;

/** A user of their own for each test. */
export async function newUser(pool: Pool, role: UserRole = 'user'): Promise<{ id: string; email: string }> {
  return createUser(pool, new ManualClock(NOON), { email: `user${++made}@example.com`, role, password: PASSWORD });
}

export function loginsOf({ logins }: Accounts): NonNullable<Accounts['logins']> {
  if (logins === null) throw new Error('there are no logins');
  return logins;
}

export function logIn(
  accounts: Accounts,
  email: string,
  more: { password?: string; address?: string; deviceToken?: string } = {},
) {
  const login = { email, password: PASSWORD, device: null, deviceToken: null, address: '192.0.2.1', ...more };
  return loginsOf(accounts).login(login);
}

export function asIdentity(result: AuthResult): Identity {
  if ('failure' in result) throw new Error(`not accepted: ${result.failure}`);
  return result;
}

/** The code of the AccountError that `work` rejects with, or what it answers. */
export async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.catch((error: unknown) => (error instanceof Error && 'code' in error ? error.code : error));
}

/** Everything that is logged, as text. */
export function recordingLog(): { log: Log; lines: string[] } {
  const lines: string[] = [];
  const line = (fields: object, message: string): void => {
    lines.push(
      `${message} ${JSON.stringify(fields, (_, value) => (value instanceof Error ? { ...value, message: value.message, stack: value.stack } : value))}`,
    );
  };
  return { log: { debug: line, info: line, warn: line, error: line }, lines };
}

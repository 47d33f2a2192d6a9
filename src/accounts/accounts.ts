import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Overdue } from '../kit/overdue.js';
import type { Service } from '../kit/service.js';
import type { Tracer } from '../kit/tracer.js';
import type { AccountChange, AuthResult, Identity } from '../wire/identity.js';
import { Administration } from './administration.js';
import { type ApiKey, ApiKeys, type NewApiKey } from './api-keys.js';
import { Authenticator, type AuthStats } from './authenticator.js';
import { AccountChanges, type Announcer } from './changes.js';
import type { CreateCounter } from './counters.js';
import { AccountError } from './errors.js';
import { type ExternalProvider, ExternalTokens } from './external.js';
import { type Claimed, Identities } from './identities.js';
import { LOGIN_RULES, LoginLimits, type LoginRules } from './login-limits.js';
import { Logins } from './logins.js';
import { type PasswordStats, Passwords, type PasswordsOptions } from './passwords.js';
import type { Plans } from './plans.js';
import { SessionRecords, type SessionStore } from './session-records.js';
import { Sessions } from './sessions.js';
import { type Sql, utc } from './sql.js';
import { Subscriptions } from './subscriptions.js';
import type { TokenKey } from './token-keys.js';
import { AccessTokens } from './tokens.js';
import { type User, Users } from './users.js';

const UPKEEP_MS = 3_600_000;
const REDO_RECORDS_MS = 2000;
const DAY_MS = 86_400_000;

/** Rows that are of no use any more. */
const KEPT: readonly (readonly [string, number])[] = [
  ['DELETE FROM account_changes WHERE changed_at < $1', DAY_MS],
  ['DELETE FROM sessions WHERE expires_at < $1 OR revoked_at < $1', 30 * DAY_MS],
  ['DELETE FROM api_keys WHERE revoked_at < $1', 30 * DAY_MS],
];

/** Who says who somebody is: this server, or another one whose tokens it believes. */
export type Provider = { readonly keys: readonly TokenKey[] } | { readonly external: ExternalProvider };

export interface AccountsOptions {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly log: Log;
  readonly provider: Provider;
  readonly plans: Plans;
  /** Whether strangers may make accounts. */
  readonly registration: boolean;
  readonly counters: CreateCounter;
  /** null: there are no other nodes. */
  readonly announcer: Announcer | null;
  /** null: nowhere. */
  readonly sessionStore: SessionStore | null;
  readonly passwords?: PasswordsOptions;
  readonly loginRules?: LoginRules;
  readonly pollMs?: number;
  /** Default: none. */
  readonly tracer?: Tracer;
}

/** Everything about accounts, for the other stages and for HTTP. */
export class Accounts implements Service {
  readonly name = 'accounts';
  /** null: an external provider has the passwords. */
  readonly logins: Logins | null;
  readonly administration: Administration;
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #users: Users;
  readonly #passwords: Passwords;
  readonly #keys: ApiKeys;
  readonly #changes: AccountChanges;
  readonly #records: SessionRecords;
  readonly #authenticator: Authenticator;
  #stopUpkeep: () => void = () => {};
  #stopRedoing: () => void = () => {};

  constructor(options: AccountsOptions) {
    const { sql, clock, log, plans, provider, counters, pollMs } = options;
    this.#sql = sql;
    this.#clock = clock;
    this.#log = log;
    const users = new Users(sql, clock);
    const sessions = new Sessions(sql, clock);
    this.#users = users;
    this.#passwords = new Passwords(options.passwords);
    this.#keys = new ApiKeys(sql, clock, log);
    const { announcer, sessionStore, registration } = options;
    this.#changes = new AccountChanges({ sql, clock, log, announcer, ...(pollMs === undefined ? {} : { pollMs }) });
    this.#records = new SessionRecords(sessionStore, sessions, log);
    // Also of what other nodes did, or SQL.
    this.#changes.onChange(({ userId }) => this.#records.renew(userId));
    const shared = { users, changes: this.#changes, clock, log };
    const { tracer } = options;
    const subscriptions = new Subscriptions(sql, clock, plans);
    this.administration = new Administration({ ...shared, sql, plans, subscriptions });
    const own = 'keys' in provider ? new AccessTokens(provider.keys, clock) : null;
    const tokens = own ?? new ExternalTokens((provider as { external: ExternalProvider }).external, sql, clock);
    const limits = new LoginLimits(counters, options.loginRules ?? LOGIN_RULES);
    const passwords = this.#passwords;
    this.logins =
      own &&
      new Logins({ ...shared, records: this.#records, sessions, passwords, tokens: own, limits, registration, tracer });
    const identities = new Identities(sql, clock, plans);
    this.#authenticator = new Authenticator({ tokens, keys: this.#keys, identities, changes: this.#changes, clock });
  }

  async start(): Promise<void> {
    if (this.logins !== null) await this.#passwords.prepare();
    await this.#changes.start();
    this.#stopUpkeep = this.#clock.every(UPKEEP_MS, () => void this.#upkeep());
    this.#stopRedoing = this.#clock.every(REDO_RECORDS_MS, () => this.#records.redo());
  }

  async stop(): Promise<void> {
    this.#stopUpkeep();
    this.#stopRedoing();
    await this.#changes.stop();
    await Promise.all([this.#keys.settled(), this.#records.settled()]);
  }

  /** An access token or an API key. Rejects when the database, or the identity provider, cannot be asked now. */
  authenticate(token: string): Promise<AuthResult> {
    return this.#authenticator.authenticate(token);
  }

  /** What somebody is now who was accepted earlier. Rejects when the database cannot be asked. */
  async identityOf(claimed: Claimed): Promise<AuthResult> {
    const [result = { failure: 'revoked' } as const] = await this.#authenticator.identitiesOf([claimed]);
    return result;
  }

  /** The same for many, in their order, by one statement for each 500. */
  identitiesOf(claimed: readonly Claimed[]): Promise<AuthResult[]> {
    return this.#authenticator.identitiesOf(claimed);
  }

  /** Called after each change that somebody's identity depends on, on whichever node; sometimes twice. @returns what ends it. */
  onChange(listener: (change: AccountChange) => void): () => void {
    return this.#changes.onChange(listener);
  }

  /** Finds changes that were announced while the bus was away. Never rejects. */
  catchUp(): Promise<void> {
    return this.#changes.catchUp();
  }

  user(userId: string): Promise<User | null> {
    return this.#users.find(userId);
  }

  listKeys(userId: string): Promise<ApiKey[]> {
    return this.#keys.list(userId);
  }

  /** @throws AccountError */
  async createKey(
    { userId, role }: Identity,
    key: NewApiKey,
  ): Promise<{ readonly key: string; readonly entry: ApiKey }> {
    const created = await this.#keys.create(userId, role, key);
    this.#log.info({ userId, keyId: created.entry.id, scopes: key.scopes }, 'API key made');
    return created;
  }

  /** @throws AccountError */
  async revokeKey(userId: string, keyId: string): Promise<void> {
    if (!(await this.#keys.revoke(userId, keyId))) throw new AccountError('not_found', 'you have no such key');
    this.#log.info({ userId, keyId }, 'API key revoked');
    this.#changes.announce({ userId, sessionId: null, keyId });
  }

  stats(): { readonly passwords: PasswordStats; readonly auth: AuthStats; readonly overdueRecords: Overdue } {
    return {
      passwords: this.#passwords.stats(),
      auth: this.#authenticator.stats(),
      overdueRecords: this.#records.overdue,
    };
  }

  async #upkeep(): Promise<void> {
    const now = this.#clock.now();
    try {
      for (const [statement, keptMs] of KEPT) await this.#sql.query(statement, [utc(now - keptMs)]);
    } catch (error) {
      this.#log.debug({ error: String(error) }, 'sessions that are over were not removed');
    }
  }
}

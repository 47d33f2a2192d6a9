import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { AccountChange, AuthResult, Identity } from '../wire/identity.js';
import { AtMost } from './at-most.js';
import type { Authenticator } from './authenticator.js';
import type { Connection } from './connection.js';
import type { ConnectionCounter } from './connection-counter.js';
import { within } from './deadline.js';
import { Login } from './login.js';
import type { SignalFeed } from './signal-feed.js';
import type { GatewayStats } from './stats.js';

/** What makes connections more than anonymous. */
export interface UserParts {
  readonly authenticator: Authenticator;
  readonly connections: ConnectionCounter;
  readonly signals: SignalFeed;
}

/** A user with connections here. */
export interface User {
  readonly id: string;
  connections: readonly Connection[];
  /** When its logins are to be looked at again; ms since the gateway started. */
  dueAt: number;
  /** That is under way; `again`: and something changed meanwhile. */
  checking: boolean;
  again: boolean;
}

export interface UsersDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly stats: GatewayStats;
  readonly random: () => number;
  uptimeMs(): number;
  /** How often every login is looked at again. */
  readonly recheckMs: number;
  /** How long an answer of the accounts is waited for. */
  readonly verifyMs: number;
  /** Tells a connection what its login is now. */
  readonly settle: (connection: Connection, result: AuthResult) => void;
}

/** Tokens verified, changed users and others looked at again, at a time: each kind has its own lane. */
const VERIFYING = 64;
const CHANGED = 32;
const ROUTINE = 8;
const RETRY_MS = 1000;

/** Who is connected here, kept true: what changes about them takes hold at once, and everything is looked at every minute. */
export class Users {
  /** Changes heard of; whoever waits for an answer compares it before and after. */
  changes = 0;
  readonly #byId = new Map<string, User>();
  readonly #verifying = new AtMost(VERIFYING);
  readonly #changed = new AtMost(CHANGED);
  readonly #routine = new AtMost(ROUTINE);
  readonly #stops: readonly (() => void)[];

  constructor(
    readonly parts: UserParts,
    readonly deps: UsersDeps,
  ) {
    const { authenticator } = parts;
    this.#stops = [
      authenticator.onChange((change) => this.#heard(change)),
      authenticator.onMissed(() => this.#missed()),
    ];
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Rejects when it cannot be told in time. */
  verify(token: string): Promise<AuthResult> {
    return this.#verifying.run(() => this.#inTime(this.parts.authenticator.authenticate(token)));
  }

  /**
   * Makes the connection the user's, if the plan has room for one more. `changes`: as they were before the identity was
   * read. `closed`: it went away meanwhile.
   */
  async take(connection: Connection, identity: Identity, changes: number): Promise<Login | 'over' | 'closed'> {
    const { userId, entitlements } = identity;
    if (!(await this.parts.connections.take(userId, entitlements.connections))) return 'over';
    if (connection.socket !== null) return this.#add(connection, identity, changes);
    this.parts.connections.release(userId);
    return 'closed';
  }

  /** Gives its place back and asks for it anew, as the plan is now. @returns false: there is none any more. */
  async takeAgain(connection: Connection): Promise<boolean> {
    const { login } = connection;
    if (login === null || !login.counted) return true;
    const { connections } = this.parts;
    for (;;) {
      const most = login.identity.entitlements.connections;
      login.counted = false;
      connections.release(login.user.id);
      if (!(await connections.take(login.user.id, most))) return false;
      login.counted = connection.login === login;
      if (!login.counted) connections.release(login.user.id);
      if (!login.counted || login.identity.entitlements.connections >= most) return true;
    }
  }

  /** Something may have changed since its identity was read. */
  lookAgain(connection: Connection, changes: number): void {
    if (changes !== this.changes && connection.login !== null) void this.check(connection.login.user, true);
  }

  #add(connection: Connection, identity: Identity, changes: number): Login {
    const user = this.#byId.get(identity.userId) ?? this.#create(identity.userId);
    user.connections = [...user.connections, connection];
    const login = new Login(user, identity);
    connection.login = login;
    this.deps.stats.authenticated++;
    this.lookAgain(connection, changes);
    return login;
  }

  /** Gives its place back. */
  remove(connection: Connection): void {
    const { login } = connection;
    if (login === null) return;
    const { user } = login;
    connection.login = null;
    user.connections = user.connections.filter((other) => other !== connection);
    this.deps.stats.authenticated--;
    if (login.counted) this.parts.connections.release(user.id);
    if (user.connections.length > 0) return;
    this.#byId.delete(user.id);
    this.deps.stats.users--;
  }

  /** Looks again at those whose turn it is. */
  sweep(): void {
    const now = this.deps.uptimeMs();
    for (const user of this.#byId.values()) if (user.dueAt <= now && !user.checking) void this.check(user, false);
  }

  /** Looks at all logins of a user again; where something changes meanwhile, once more. */
  async check(user: User, urgent: boolean): Promise<void> {
    user.again = user.checking;
    if (user.checking) return;
    user.checking = true;
    const { uptimeMs, recheckMs, random, log } = this.deps;
    const lane = urgent ? this.#changed : this.#routine;
    try {
      do {
        user.again = false;
        await lane.run(() => this.#look(user));
      } while (user.again);
      user.dueAt = uptimeMs() + recheckMs * (0.75 + random() / 4);
    } catch (error) {
      log.debug({ error: messageOf(error) }, 'a login cannot be looked at now');
      user.dueAt = uptimeMs() + RETRY_MS;
    } finally {
      user.checking = false;
    }
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #create(id: string): User {
    const { uptimeMs, recheckMs, random, stats } = this.deps;
    const user = { id, connections: [], dueAt: uptimeMs() + recheckMs * random(), checking: false, again: false };
    this.#byId.set(id, user);
    stats.users++;
    return user;
  }

  #heard({ userId }: AccountChange): void {
    this.changes++;
    const user = this.#byId.get(userId);
    if (user !== undefined) void this.check(user, true);
  }

  #missed(): void {
    this.changes++;
    for (const user of this.#byId.values()) void this.check(user, true);
  }

  /** Each session and key is asked for once, however many connections it has. */
  async #look(user: User): Promise<void> {
    const logins = new Map<string, Identity>();
    for (const { login } of user.connections) if (login !== null) logins.set(loginOf(login.identity), login.identity);
    for (const identity of logins.values()) await this.#lookAt(user, identity);
  }

  async #lookAt(user: User, identity: Identity): Promise<void> {
    this.deps.stats.rechecks++;
    const result = await this.#inTime(this.parts.authenticator.recheck(identity));
    const asked = loginOf(identity);
    for (const connection of user.connections)
      if (connection.login !== null && loginOf(connection.login.identity) === asked)
        this.deps.settle(connection, result);
  }

  #inTime<T>(work: Promise<T>): Promise<T> {
    return within(this.deps.verifyMs, this.deps.clock, work);
  }
}

function loginOf({ sessionId, keyId }: Identity): string {
  return `${sessionId}/${keyId}`;
}

/** Errors of others may carry what they were given: only their words are logged. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
}

/** Of a server without accounts. */
export const NO_USERS: UserParts = {
  authenticator: {
    authenticate: () => Promise.resolve({ failure: 'invalid_token' }),
    recheck: () => Promise.resolve({ failure: 'invalid_token' }),
    onChange: () => () => {},
    onMissed: () => () => {},
  },
  connections: { take: () => Promise.resolve(false), release() {} },
  signals: {
    head: () => Promise.reject(new Error('no signals here')),
    async *since() {},
    follow: () => Promise.reject(new Error('no signals here')),
    ack: () => Promise.reject(new Error('no signals here')),
    acked: () => Promise.reject(new Error('no signals here')),
    up: true,
    onUp: () => () => {},
  },
};

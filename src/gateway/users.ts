import type { AuthResult, Entitlements, Identity } from '../wire/identity.js';
import { AtMost } from './at-most.js';
import type { Authenticator } from './authenticator.js';
import type { Connection } from './connection.js';
import type { ConnectionCounter } from './connection-counter.js';
import { within } from './deadline.js';
import { Login } from './login.js';
import { Rechecks, type RechecksDeps } from './rechecks.js';
import type { SignalFeed } from './signal-feed.js';

/** What makes connections more than anonymous. */
export interface UserParts {
  readonly authenticator: Authenticator;
  readonly connections: ConnectionCounter;
  readonly signals: SignalFeed;
  /** What connections without a user are held to; null: only to what the server gives every connection. */
  readonly visitors: Entitlements | null;
}

/** A user with connections here. */
export interface User {
  readonly id: string;
  connections: readonly Connection[];
  /** When its logins are to be looked at again; ms since the gateway started. */
  dueAt: number;
}

/** Tokens verified at a time. */
const VERIFYING = 64;

/** Who is connected here, kept true: what changes about them takes hold at once, and everybody is looked at every minute. */
export class Users {
  /** Changes heard of; whoever waits for an answer compares it before and after. */
  changes = 0;
  readonly #byId = new Map<string, User>();
  readonly #verifying = new AtMost(VERIFYING);
  readonly #rechecks: Rechecks;
  readonly #stop: () => void;

  constructor(
    readonly parts: UserParts,
    readonly deps: RechecksDeps,
  ) {
    this.#rechecks = new Rechecks(parts.authenticator, deps);
    this.#stop = parts.authenticator.onChange(({ userId }) => this.#changed(userId));
  }

  /** Rejects when it cannot be told in time. */
  verify(token: string): Promise<AuthResult> {
    const { verifyMs, clock } = this.deps;
    return this.#verifying.run(() => within(verifyMs, clock, this.parts.authenticator.authenticate(token)));
  }

  /**
   * Makes the connection the user's, if the plan has room for one more. `changes`: as they were before the identity was
   * read. `closed`: it went away meanwhile.
   */
  async take(connection: Connection, identity: Identity, changes: number): Promise<'taken' | 'over' | 'closed'> {
    const { userId, entitlements } = identity;
    if (!(await this.parts.connections.take(userId, entitlements.connections))) return 'over';
    if (connection.socket === null) {
      this.parts.connections.release(userId);
      return 'closed';
    }
    this.#add(connection, identity);
    this.lookAgain(connection, changes);
    return 'taken';
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
    if (changes !== this.changes && connection.login !== null) this.#rechecks.now(connection.login.user);
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
    this.#rechecks.sweep(this.#byId.values());
  }

  stop(): void {
    this.#stop();
  }

  #add(connection: Connection, identity: Identity): void {
    const user = this.#byId.get(identity.userId) ?? this.#create(identity.userId);
    user.connections = [...user.connections, connection];
    connection.login = new Login(user, identity);
    this.deps.stats.authenticated++;
  }

  #create(id: string): User {
    const { uptimeMs, recheckMs, random, stats } = this.deps;
    const user: User = { id, connections: [], dueAt: uptimeMs() + recheckMs * random() };
    this.#byId.set(id, user);
    stats.users++;
    return user;
  }

  #changed(userId: string): void {
    this.changes++;
    const user = this.#byId.get(userId);
    if (user !== undefined) this.#rechecks.now(user);
  }
}

const nowhere = (): Promise<never> => Promise.reject(new Error('this server has no accounts'));

/** Of a server without accounts. */
export const NO_USERS: UserParts = {
  authenticator: {
    authenticate: () => Promise.resolve({ failure: 'invalid_token' }),
    identitiesOf: nowhere,
    onChange: () => () => {},
  },
  connections: { take: () => Promise.resolve(false), release() {} },
  visitors: null,
  signals: {
    head: nowhere,
    async *since() {},
    follow: nowhere,
    ack: nowhere,
    acked: nowhere,
    up: true,
    onUp: () => () => {},
  },
};

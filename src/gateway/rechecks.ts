import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { AuthResult, Identity } from '../wire/identity.js';
import type { Authenticator } from './authenticator.js';
import type { Connection } from './connection.js';
import { within } from './deadline.js';
import type { GatewayStats } from './stats.js';
import type { User } from './users.js';

export interface RechecksDeps {
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

/** Users of one question, and questions at a time. */
const BATCH = 200;
const AT_ONCE = 4;
const RETRY_MS = 1000;

/**
 * Looks at the logins of users again, many in one question: those that changed before those whose turn it is. No user is
 * asked for twice at a time, so that what is settled last is what was read last.
 */
export class Rechecks {
  readonly #changed = new Set<User>();
  readonly #due = new Set<User>();
  readonly #asking = new Set<User>();
  #questions = 0;

  constructor(
    readonly authenticator: Authenticator,
    readonly deps: RechecksDeps,
  ) {}

  /** At once. */
  now(user: User): void {
    this.#changed.add(user);
    this.#run();
  }

  /** Those of them whose turn it is. */
  sweep(users: Iterable<User>): void {
    const now = this.deps.uptimeMs();
    for (const user of users) if (user.dueAt <= now && !this.#asking.has(user)) this.#due.add(user);
    this.#run();
  }

  #run(): void {
    while (this.#questions < AT_ONCE) {
      const users = this.#take();
      if (users.length === 0) return;
      this.#questions++;
      void this.#ask(users);
    }
  }

  #take(): readonly User[] {
    const users: User[] = [];
    for (const waiting of [this.#changed, this.#due]) {
      for (const user of waiting) {
        if (users.length === BATCH) break;
        // Asked for already: what it is told then may be older than the change.
        if (this.#asking.has(user)) continue;
        this.#changed.delete(user);
        this.#due.delete(user);
        this.#asking.add(user);
        users.push(user);
      }
    }
    return users;
  }

  async #ask(users: readonly User[]): Promise<void> {
    const { uptimeMs, recheckMs, random, log } = this.deps;
    let againMs = recheckMs * (0.75 + random() / 4);
    try {
      await this.#lookAt(users);
    } catch (error) {
      log.warn({ users: users.length, error: messageOf(error) }, 'logins cannot be looked at again now');
      againMs = RETRY_MS;
    }
    for (const user of users) {
      this.#asking.delete(user);
      user.dueAt = uptimeMs() + againMs;
    }
    this.#questions--;
    this.#run();
  }

  /** Each login is asked for once, however many connections it has. */
  async #lookAt(users: readonly User[]): Promise<void> {
    const logins = new Map<string, Identity>();
    for (const identity of users.flatMap(identitiesOf)) logins.set(loginOf(identity), identity);
    if (logins.size === 0) return;
    const { clock, stats, verifyMs, settle } = this.deps;
    stats.rechecks += logins.size;
    const answer = await within(verifyMs, clock, this.authenticator.identitiesOf([...logins.values()]));
    const results = new Map([...logins.keys()].map((key, i) => [key, answer[i]]));
    for (const user of users) {
      for (const connection of user.connections) {
        const result = connection.login && results.get(loginOf(connection.login.identity));
        if (result) settle(connection, result);
      }
    }
  }
}

function identitiesOf(user: User): readonly Identity[] {
  return user.connections.flatMap(({ login }) => (login === null ? [] : [login.identity]));
}

/** A token that was refreshed meanwhile is another one. */
function loginOf({ userId, sessionId, keyId, expiresAt }: Identity): string {
  return `${userId}/${sessionId}/${keyId}/${expiresAt}`;
}

/** Errors of others may carry what they were given: only their words are logged. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'unknown';
}

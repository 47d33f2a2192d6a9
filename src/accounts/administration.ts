import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Entitlements, Identity, UserRole } from '../wire/identity.js';
import type { AccountChanges } from './changes.js';
import { AccountError } from './errors.js';
import { bestOf, type Plans } from './plans.js';
import { type Sql, utcDay } from './sql.js';
import { type NewSubscription, plansInForce, type Subscription, type Subscriptions } from './subscriptions.js';
import type { User, Users } from './users.js';

export interface AdministrationOptions {
  readonly sql: Sql;
  readonly users: Users;
  readonly subscriptions: Subscriptions;
  readonly plans: Plans;
  readonly changes: AccountChanges;
  readonly clock: Clock;
  readonly log: Log;
}

export interface UserDetails extends User {
  readonly entitlements: Entitlements;
  readonly subscriptions: readonly Subscription[];
}

/** What administrators do. `actor` is who does it; nobody takes the last administrator away by accident, since none may end their own rights. */
export class Administration {
  constructor(private readonly o: AdministrationOptions) {}

  list(after: string | null, limit: number, search: string | null): Promise<User[]> {
    return this.o.users.list(after, limit, search);
  }

  /** @throws AccountError */
  async get(userId: string): Promise<UserDetails> {
    const { sql, users, subscriptions, plans, clock } = this.o;
    const user = await users.find(userId);
    const { rows } = await sql.query<{ plans: string[] }>(
      `SELECT ${plansInForce('$2')} AS plans FROM users WHERE id = $1`,
      [userId, utcDay(clock.now())],
    );
    const [row] = rows;
    if (user === null || row === undefined) throw missing();
    const list = await subscriptions.list(userId);
    return { ...user, entitlements: bestOf(plans, row.plans), subscriptions: list };
  }

  /** @throws AccountError */
  async setRole(actor: Identity, userId: string, role: UserRole): Promise<void> {
    this.#forbidOwn(actor, userId);
    if (!(await this.o.users.setRole(userId, role))) throw missing();
    this.#changed(actor, userId, { role }, 'role set');
  }

  /** @throws AccountError */
  async setSubscription(actor: Identity, userId: string, subscription: NewSubscription): Promise<Subscription> {
    const set = await this.o.subscriptions.set(userId, subscription);
    this.#changed(actor, userId, { plan: set.plan }, 'subscription set');
    return set;
  }

  /** @throws AccountError */
  async cancelSubscription(actor: Identity, userId: string): Promise<void> {
    if (!(await this.o.subscriptions.cancel(userId)))
      throw new AccountError('not_found', 'there is no active subscription of such a user');
    this.#changed(actor, userId, {}, 'subscription cancelled');
  }

  /** With everything that is theirs. @throws AccountError */
  async delete(actor: Identity, userId: string): Promise<void> {
    this.#forbidOwn(actor, userId);
    if (!(await this.o.users.delete(userId))) throw missing();
    this.#changed(actor, userId, {}, 'account deleted');
  }

  #forbidOwn(actor: Identity, userId: string): void {
    if (actor.userId === userId)
      throw new AccountError('own_account', 'administrators cannot do this to themselves: another one can');
  }

  #changed(actor: Identity, userId: string, what: object, message: string): void {
    this.o.log.info({ userId, by: actor.userId, ...what }, message);
    this.o.changes.announce({ userId, sessionId: null, keyId: null });
  }
}

function missing(): AccountError {
  return new AccountError('not_found', 'there is no such user');
}

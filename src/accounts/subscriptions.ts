import { v7 } from 'uuid';
import type { Clock } from '../kit/clock.js';
import { AccountError } from './errors.js';
import { isPlan, type Plans } from './plans.js';
import { type Sql, utcDay } from './sql.js';

export interface Subscription {
  readonly id: string;
  readonly plan: string;
  /** `YYYY-MM-DD` in UTC, the first day. */
  readonly startDate: string;
  /** The last day; null = no end. */
  readonly endDate: string | null;
  readonly status: string;
}

export interface NewSubscription {
  readonly plan: string;
  /** Default: today. */
  readonly startDate?: string | undefined;
  readonly endDate?: string | null | undefined;
}

interface Row {
  readonly id: string;
  readonly plan: string;
  readonly start_date: string;
  readonly end_date: string | null;
  readonly status: string | null;
}

/** In a query over `users`: the names of the plans that are in force on the day `$day`. */
export const plansInForce = (day: string): string => `ARRAY(
  SELECT plan FROM subscriptions WHERE user_id = users.id AND status = 'active'
    AND start_date <= ${day}::date AND (end_date IS NULL OR end_date >= ${day}::date))`;

/** The `subscriptions` table. */
export class Subscriptions {
  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
    private readonly plans: Plans,
  ) {}

  async list(userId: string): Promise<Subscription[]> {
    const { rows } = await this.sql.query<Row>(
      'SELECT id, plan, start_date, end_date, status FROM subscriptions WHERE user_id = $1 ORDER BY start_date, id',
      [userId],
    );
    return rows.map((row) => ({
      id: row.id,
      plan: row.plan,
      startDate: row.start_date,
      endDate: row.end_date,
      status: row.status ?? '',
    }));
  }

  /** In place of whatever is active, in one statement. @throws AccountError */
  async set(userId: string, { plan, startDate, endDate = null }: NewSubscription): Promise<Subscription> {
    if (!isPlan(this.plans, plan)) throw new AccountError('unknown_plan', `the plans are ${this.#names()}`);
    const start = startDate ?? utcDay(this.clock.now());
    if (endDate !== null && endDate < start)
      throw new AccountError('bad_dates', 'the end date is before the start date');
    const id = v7({ msecs: this.clock.now() });
    const { rowCount } = await this.sql.query(
      `WITH replaced AS (UPDATE subscriptions SET status = 'replaced' WHERE user_id = $2 AND status = 'active')
       INSERT INTO subscriptions (id, user_id, plan, start_date, end_date, status)
       SELECT $1, id, $3, $4, $5, 'active' FROM users WHERE id = $2`,
      [id, userId, plan, start, endDate],
    );
    if (rowCount === 0) throw new AccountError('not_found', 'there is no such user');
    return { id, plan, startDate: start, endDate, status: 'active' };
  }

  /** From now on the user has the first plan. @returns false when nothing was active. */
  async cancel(userId: string): Promise<boolean> {
    const { rowCount } = await this.sql.query(
      `UPDATE subscriptions SET status = 'cancelled' WHERE user_id = $1 AND status = 'active'`,
      [userId],
    );
    return rowCount > 0;
  }

  #names(): string {
    return this.plans.all.map(({ plan }) => plan).join(', ');
  }
}

import type { Clock } from '../kit/clock.js';
import type { Entitlements } from '../wire/identity.js';
import { bestOf, type Plans } from './plans.js';
import { type Sql, utcDay } from './sql.js';
import { plansInForce } from './subscriptions.js';

export interface Recipient {
  readonly userId: string;
  readonly signalsPerDay: number;
}

interface Row {
  readonly id: string;
  readonly plans: readonly string[];
}

const PAGE = 500;

/** Who may get signals, and how many, by the plans in force. Every method rejects when the database cannot be asked. */
export class Recipients {
  constructor(
    private readonly sql: Sql,
    private readonly clock: Clock,
    private readonly plans: Plans,
  ) {}

  /** Of those of the users that exist. */
  async entitlements(userIds: readonly string[]): Promise<ReadonlyMap<string, Entitlements>> {
    const { rows } = await this.sql.query<Row>(
      `SELECT id, ${plansInForce('$2')} AS plans FROM users WHERE id = ANY ($1::uuid[])`,
      [userIds, this.#today()],
    );
    return new Map(rows.map(({ id, plans }) => [id, bestOf(this.plans, plans)]));
  }

  /** Everybody whose plan has signals on the symbol, in pages, ascending by user id, from the first after `after` (null = from the beginning). */
  async *having(symbol: string, after: string | null): AsyncGenerator<readonly Recipient[], void, void> {
    for (let from = after; ; ) {
      const { rows } = await this.sql.query<Row>(
        `SELECT id, ${plansInForce('$2')} AS plans FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT ${PAGE}`,
        [from, this.#today()],
      );
      yield rows.flatMap(({ id, plans }) => {
        const plan = bestOf(this.plans, plans);
        return hasSignalsOn(plan, symbol) ? [{ userId: id, signalsPerDay: plan.signalsPerDay }] : [];
      });
      from = rows.at(-1)?.id ?? null;
      if (rows.length < PAGE || from === null) return;
    }
  }

  #today(): string {
    return utcDay(this.clock.now());
  }
}

function hasSignalsOn({ signalsPerDay, signalSymbols }: Entitlements, symbol: string): boolean {
  return signalsPerDay > 0 && (signalSymbols === null || signalSymbols.includes(symbol));
}

import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { Firings } from '../../../src/signals/rules/firings.js';
import { RuleRunner, type RunnerOptions } from '../../../src/signals/rules/runner.js';
import { RuleService } from '../../../src/signals/rules/service.js';
import { RuleStore } from '../../../src/signals/rules/store.js';
import type { FiringData } from '../../../src/signals/rules/to-signal.js';
import type { Sql } from '../../../src/signals/sql.js';
import { SignalStore } from '../../../src/signals/store.js';
import type { Entitlements, Identity } from '../../../src/wire/identity.js';
import type { SignalsDatabase } from '../support.js';
import type { RuleMarket } from './rule-market.js';

export const POLL_MS = 20;

export function identityOf(userId: string, more: Partial<Identity['entitlements']> = {}): Identity {
  return {
    userId,
    role: 'user',
    scopes: null,
    sessionId: null,
    keyId: null,
    expiresAt: null,
    entitlements: {
      plan: 'pro',
      connections: 10,
      channels: 10,
      historyDays: null,
      intervals: null,
      signalsPerDay: 100_000,
      signalSymbols: null,
      rules: 100_000,
      ...more,
    },
  };
}

/** The same plan for all of them. */
export function entitled(
  users: readonly string[],
  more: Partial<Entitlements> = {},
): ReadonlyMap<string, Entitlements> {
  return new Map(users.map((user) => [user, identityOf(user, more).entitlements]));
}

/** A service over the rules of a market. */
export function serviceOn(sql: Sql, market: RuleMarket, onChange: (symbol: string) => void = () => {}): RuleService {
  return new RuleService({
    store: new RuleStore(sql),
    newestClosed: async (symbol, interval) => market.newest({ symbol, interval })?.openTime ?? null,
    onChange,
    clock: systemClock,
  });
}

/** A process that evaluates everything. */
export function runnerOn(sql: Sql, market: RuleMarket, more: Partial<RunnerOptions> = {}): RuleRunner {
  const store = new SignalStore(sql, systemClock);
  return new RuleRunner({
    rules: new RuleStore(sql),
    firings: new Firings(sql),
    candles: market.view(),
    sink: {
      publish: (batch, guard) => (guard === undefined ? store.insert(batch) : store.insertGuarded(batch, guard)),
    },
    owns: () => true,
    entitlements: async (users) => entitled(users),
    clock: systemClock,
    log: silentLog,
    pollMs: POLL_MS,
    ...more,
  });
}

export interface SeenSignal {
  readonly id: string;
  readonly rule_id: string;
  readonly user_id: string;
  readonly corrects: string | null;
  readonly data: FiringData;
}

export async function signalsIn(database: SignalsDatabase): Promise<readonly SeenSignal[]> {
  const { rows } = await database.sql.query<SeenSignal>(
    'SELECT id, rule_id, user_id, corrects, data FROM signals ORDER BY user_id, seq',
  );
  return rows;
}

/** Open times that stand after all corrections, by rule. @throws when anything was told twice */
export function standing(signals: readonly SeenSignal[]): Map<string, number[]> {
  const last = new Map<string, SeenSignal>();
  for (const signal of signals) {
    const key = `${signal.rule_id} ${signal.data.openTime}`;
    const before = last.get(key);
    if (signal.data.revision !== (before === undefined ? 0 : before.data.revision + 1))
      throw new Error(`told twice: ${key}`);
    if (signal.corrects !== (before?.id ?? null)) throw new Error(`corrects another signal: ${key}`);
    last.set(key, signal);
  }
  const times = new Map<string, number[]>();
  for (const { rule_id, data } of last.values())
    if (data.event !== 'withdrawn') times.set(rule_id, [...(times.get(rule_id) ?? []), data.openTime]);
  for (const list of times.values()) list.sort((a, b) => a - b);
  return times;
}

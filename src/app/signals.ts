import { type Plans, parsePlans } from '../accounts/plans.js';
import { Recipients } from '../accounts/recipients.js';
import type { Overdue } from '../kit/overdue.js';
import { HOUR_MS } from '../market/interval.js';
import { AudiencePublisher } from '../signals/audience.js';
import { noCache } from '../signals/cache.js';
import { Desk } from '../signals/desk.js';
import { LocalHints, type SignalHints } from '../signals/hints.js';
import { RedisSignals } from '../signals/redis/redis-signals.js';
import { Signals } from '../signals/signals.js';
import { SignalStore } from '../signals/store.js';
import { type Around, type Shared, toStop } from './around.js';
import { openRelational, type Relational } from './relational.js';

/** Signals, as whoever writes or delivers them has them. */
export interface SignalParts {
  readonly sql: Relational;
  readonly plans: Plans;
  readonly recipients: Recipients;
  readonly store: SignalStore;
  readonly hints: SignalHints;
  readonly signals: Signals;
  /** Users whose cached signals have to go; null: there is no cache. */
  readonly overdue: Overdue | null;
}

/** @param shared null: this process is alone. @throws UserError */
export async function openSignals(around: Around, databaseUrl: string, shared: Shared | null): Promise<SignalParts> {
  const { config, clock, log, lifecycle } = around;
  const plans = parsePlans(config.plans);
  const sql = await openRelational(around, databaseUrl);
  const store = new SignalStore(sql, clock);
  const redis =
    shared === null
      ? null
      : await lifecycle.start(new RedisSignals({ url: shared.url, prefix: config.redisPrefix, clock, log }));
  const hints = redis ?? new LocalHints();
  const upkeep = clock.every(HOUR_MS, () => {
    store
      .prune()
      .catch((error: unknown) => log.debug({ error: String(error) }, 'old keys of signals were not removed'));
  });
  await lifecycle.start(toStop('upkeep of signals', async () => upkeep()));
  const recipients = new Recipients(sql, clock, plans);
  const signals = new Signals({ store, hints, cache: redis ?? noCache });
  return { sql, plans, recipients, store, hints, signals, overdue: redis?.overdue ?? null };
}

/** Where publishers bring their signals. */
export function deskOf({ clock }: Around, { sql, recipients, signals }: SignalParts): Desk {
  const audience = { recipients: (symbol: string, after: string | null) => recipients.having(symbol, after) };
  const toAll = new AudiencePublisher({ sql, sink: signals, audience, clock });
  return new Desk(signals, { limits: (userIds) => recipients.entitlements(userIds) }, toAll);
}

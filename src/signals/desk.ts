import type { AudiencePublisher, Content, Reach } from './audience.js';
import { newSignalId } from './ids.js';
import type { Inserted, NewSignal } from './signal.js';
import type { Signals } from './signals.js';
import type { RequestKey } from './store.js';

/** What plans give. */
export interface SignalLimits {
  /** Of those of the users that exist. */
  limits(userIds: readonly string[]): Promise<ReadonlyMap<string, SignalLimit>>;
}

export interface SignalLimit {
  readonly plan: string;
  readonly signalsPerDay: number;
}

/** One signal, for each of some users. */
export interface Order {
  readonly userIds: readonly string[];
  readonly content: Content;
}

export interface Delivered {
  /** Of the order. */
  readonly index: number;
  readonly id: string;
  readonly userId: string;
  readonly seq: number;
}

export interface NotDelivered {
  readonly index: number;
  readonly userId: string;
  readonly code: 'unknown_user' | 'daily_limit';
  /** Of the user's plan; null: there is no such user. */
  readonly limit: SignalLimit | null;
}

export interface Receipt {
  readonly delivered: readonly Delivered[];
  readonly refused: readonly NotDelivered[];
  /** The same request was answered before; nothing was written now. */
  readonly replayed: boolean;
}

/** Takes what publishers give, and holds it to the plans of those it is for. */
export class Desk {
  readonly #signals: Signals;
  readonly #limits: SignalLimits;
  readonly #audience: AudiencePublisher;

  constructor(signals: Signals, limits: SignalLimits, audience: AudiencePublisher) {
    this.#signals = signals;
    this.#limits = limits;
    this.#audience = audience;
  }

  /** At most 1,000 signals, all users of all orders counted. @throws KeyReused, TooBusy */
  async publish(
    publisherId: string,
    orders: readonly Order[],
    key: Omit<RequestKey, 'publisherId'> | null,
  ): Promise<Receipt> {
    const limits = await this.#limits.limits([...new Set(orders.flatMap(({ userIds }) => userIds))]);
    const indices: number[] = [];
    const batch: NewSignal[] = [];
    for (const [index, { userIds, content }] of orders.entries()) {
      for (const userId of userIds) {
        indices.push(index);
        batch.push(signalOf(publisherId, content, userId, limits.get(userId)?.signalsPerDay ?? 0));
      }
    }
    const inserted = await (key === null
      ? this.#signals.publish(batch)
      : this.#signals.publishOnce(batch, { ...key, publisherId }));
    return receipt(inserted, indices, limits);
  }

  /** To everybody whose plan has signals on the symbol. @throws KeyReused */
  async publishToAll(publisherId: string, content: Content, key: Omit<RequestKey, 'publisherId'>): Promise<Reach> {
    return await this.#audience.publish(content, { ...key, publisherId });
  }
}

function signalOf(publisherId: string, content: Content, userId: string, dailyLimit: number): NewSignal {
  return { ...content, id: newSignalId(), userId, source: 'publisher', ruleId: null, publisherId, dailyLimit };
}

/** `indices`: the order that each signal of the batch is of. */
function receipt(inserted: Inserted, indices: readonly number[], limits: ReadonlyMap<string, SignalLimit>): Receipt {
  const { stored, refused, replayed } = inserted;
  const missing = new Set(refused.map(({ place }) => place));
  const written = indices.filter((_, place) => !missing.has(place));
  return {
    delivered: stored.map(({ id, userId, seq }, i) => ({ index: written[i] ?? 0, id, userId, seq })),
    refused: refused.map(({ place, userId, reason }) => {
      const limit = reason === 'daily_limit' ? (limits.get(userId) ?? null) : null;
      return { index: indices[place] ?? 0, userId, code: limit === null ? 'unknown_user' : 'daily_limit', limit };
    }),
    replayed,
  };
}

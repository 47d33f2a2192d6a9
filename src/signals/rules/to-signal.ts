import type { Interval } from '../../market/interval.js';
import type { NewSignal } from '../signal.js';
import type { Firing, Progress } from './evaluator.js';
import type { Outcome, Series } from './firings.js';
import type { StoredRule } from './store.js';

/** What clients see of a firing in `signal.data`. Times are epoch ms, `close` is exact. */
export interface FiringData {
  readonly rule: string;
  readonly name?: string;
  readonly interval: Interval;
  /** Of the candle. */
  readonly openTime: number;
  readonly close: string;
  readonly candleRevision: number;
  /** `fired`; `withdrawn`: after a correction of candles it did not fire there; `fired_late`: it fired at a
   * candle that had been judged before, after a correction or because the rule was made or changed as it closed. */
  readonly event: 'fired' | 'fired_late' | 'withdrawn';
  /** 0 the first word about this candle; one more each time it is turned round. */
  readonly revision: number;
  readonly values: Readonly<Record<string, number>>;
  /** The user's own, from the rule. */
  readonly data?: Readonly<Record<string, unknown>>;
}

export const RULE_SIGNAL_TYPE = 'rule';

/** @param dailyLimit signals a day that the owner's plan gives. */
export function toSignal(rule: StoredRule, firing: Firing, dailyLimit: number): NewSignal {
  const data: FiringData = {
    rule: rule.id,
    ...(rule.name === undefined ? {} : { name: rule.name }),
    interval: rule.interval,
    openTime: firing.openTime,
    close: firing.candle.close,
    candleRevision: firing.candle.revision,
    event: firing.fires ? (firing.late ? 'fired_late' : 'fired') : 'withdrawn',
    revision: firing.revision,
    values: firing.values,
    ...(rule.data === undefined ? {} : { data: rule.data }),
  };
  return {
    id: firing.signalId,
    userId: rule.userId,
    type: RULE_SIGNAL_TYPE,
    symbol: rule.symbol,
    data: { ...data },
    expiresAt: null,
    source: 'rule',
    ruleId: rule.id,
    publisherId: null,
    corrects: firing.corrects,
    dailyLimit,
  };
}

/**
 * Outcomes with firings in batches of at most `most` firings. One that is larger is cut; its progress moves with its last
 * piece only, so that what is not written is judged again.
 */
export function batches(outcomes: readonly Outcome[], most: number): Outcome[][] {
  const all: Outcome[][] = [];
  let batch: Outcome[] = [];
  let room = most;
  const close = () => {
    if (batch.length > 0) all.push(batch);
    batch = [];
    room = most;
  };
  for (const outcome of outcomes) {
    for (const piece of pieces(outcome, most)) {
      if (piece.firings.length > room || batch.some(({ series }) => isSame(series, piece.series))) close();
      batch.push(piece);
      room -= piece.firings.length;
    }
  }
  close();
  return all;
}

function pieces({ series, from, to, firings }: Outcome, most: number): Outcome[] {
  const cut: Outcome[] = [];
  for (let at = 0; at < firings.length; at += most) {
    const isLast = at + most >= firings.length;
    cut.push({ series, from, to: isLast ? to : (from satisfies Progress), firings: firings.slice(at, at + most) });
  }
  return cut;
}

function isSame(a: Series, b: Series): boolean {
  return a.symbol === b.symbol && a.interval === b.interval;
}

import type { Candle } from '../../../src/market/candle.js';
import { bucketBack, type Interval } from '../../../src/market/interval.js';
import {
  type ActiveRule,
  Evaluator,
  type Firing,
  finish,
  horizonStart,
  type Load,
  type Progress,
} from '../../../src/signals/rules/evaluator.js';
import type { Verdict } from '../../../src/signals/rules/ledger.js';

/** What a table of firings would hold; refuses what the table's key would refuse. */
export class Standing {
  readonly #verdicts = new Map<string, Map<number, Firing>>();
  readonly all: Firing[] = [];

  add(firings: readonly Firing[]): void {
    for (const firing of firings) {
      const ofRule = this.#verdicts.get(firing.ruleId) ?? new Map<number, Firing>();
      this.#verdicts.set(firing.ruleId, ofRule);
      const known = ofRule.get(firing.openTime);
      if (firing.revision !== (known === undefined ? 0 : known.revision + 1))
        throw new Error('a revision that does not follow');
      if (firing.fires === (known?.fires ?? false)) throw new Error('fired twice, or withdrawn without having fired');
      if (firing.corrects !== (known?.signalId ?? null)) throw new Error('corrects another signal');
      ofRule.set(firing.openTime, firing);
      this.all.push(firing);
    }
  }

  /** Open times at which the rule fired and that stand, ascending. */
  of(ruleId: string): number[] {
    const standing = [...(this.#verdicts.get(ruleId)?.values() ?? [])].filter(({ fires }) => fires);
    return standing.map(({ openTime }) => openTime).sort((a, b) => a - b);
  }

  verdictsSince(openTime: number): Map<string, Verdict[]> {
    const lists = [...this.#verdicts].map(([ruleId, byTime]): [string, Verdict[]] => {
      const sorted = [...byTime.values()].sort((a, b) => a.openTime - b.openTime);
      const older = sorted.findLast((v) => v.openTime < openTime && v.fires);
      return [ruleId, sorted.filter((v) => v.openTime >= openTime || v === older)];
    });
    return new Map(lists);
  }
}

let lastId = 0;
/** Ids of signals for tests. */
export function nextId(): string {
  lastId += 1;
  return `signal-${lastId}`;
}

/** A new evaluator at `progress`, with as much history as it asks for, as after a takeover. */
export function takeOver(
  interval: Interval,
  candles: readonly Candle[],
  rules: readonly ActiveRule[],
  standing: Standing,
  progress: Progress,
): { evaluator: Evaluator; firings: Firing[] } {
  const evaluator = new Evaluator(interval, nextId);
  const needed = Evaluator.historyNeeded(
    interval,
    rules.map(({ when }) => when),
  );
  const horizon = horizonStart(interval, progress.openTime);
  const from = bucketBack(interval, horizon, needed);
  const load: Load = {
    history: candles.filter(({ openTime }) => openTime >= from),
    complete: (candles[0]?.openTime ?? 0) >= from,
    rules,
    verdicts: standing.verdictsSince(horizon),
    progress,
  };
  return { evaluator, firings: finish(evaluator.load(load)) };
}

export function activeRule(id: string, rest: Partial<ActiveRule> & Pick<ActiveRule, 'when'>): ActiveRule {
  return { id, version: 1, cooldownMs: 0, expiresAt: null, startsAfter: 0, ...rest };
}

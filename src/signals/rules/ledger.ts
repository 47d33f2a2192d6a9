/** What was said about one rule at one candle. */
export interface Verdict {
  readonly openTime: number;
  /** Of the verdict: 0 the first, one more whenever a correction turned it round. */
  readonly revision: number;
  readonly fires: boolean;
  /** The signal that told of it. */
  readonly signalId: string;
}

/** The latest verdicts about one rule, ascending by candle; candles at which it did not fire and never had are left out. */
export class Ledger {
  readonly #verdicts: Verdict[] = [];

  constructor(verdicts: readonly Verdict[] = []) {
    for (const verdict of verdicts) this.put(verdict);
  }

  at(openTime: number): Verdict | null {
    for (let i = this.#verdicts.length - 1; i >= 0; i--) {
      const verdict = this.#verdicts[i];
      if (verdict === undefined || verdict.openTime < openTime) return null;
      if (verdict.openTime === openTime) return verdict;
    }
    return null;
  }

  /** Open time of the last candle before `openTime` at which the rule fired, and it stands; null = none. */
  lastFiring(openTime: number): number | null {
    return this.#verdicts.findLast((verdict) => verdict.fires && verdict.openTime < openTime)?.openTime ?? null;
  }

  put(verdict: Verdict): void {
    let place = this.#verdicts.length;
    while (place > 0 && (this.#verdicts[place - 1]?.openTime ?? 0) > verdict.openTime) place -= 1;
    const known = this.#verdicts[place - 1];
    if (known?.openTime !== verdict.openTime) this.#verdicts.splice(place, 0, verdict);
    else if (known.revision < verdict.revision) this.#verdicts[place - 1] = verdict;
  }

  /** Forgets what is older than `openTime`, but for the last firing. */
  trim(openTime: number): void {
    if ((this.#verdicts[0]?.openTime ?? openTime) >= openTime) return;
    const last = this.lastFiring(openTime);
    const kept = this.#verdicts.filter((v) => v.openTime >= openTime || v.openTime === last);
    this.#verdicts.splice(0, this.#verdicts.length, ...kept);
  }
}

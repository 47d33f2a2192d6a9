/** Why a partition is let go. */
export type Why = 'lost' | 'handover' | 'stopping';

type State = 'acquiring' | 'taking' | 'owned' | 'dropping' | 'releasing';

/** One partition from the attempt to get its lease until the lease is given back. */
export class Tenure {
  state: State = 'acquiring';
  /** Settles when what is under way has ended; never rejects. */
  work: Promise<void> = Promise.resolve();
  readonly #abort = new AbortController();
  #ending: Why | null = null;

  /** Aborted from `end` on. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Set once it is to end; what is under way gets there. */
  get ending(): Why | null {
    return this.#ending;
  }

  end(why: Why): void {
    if (this.#ending === null || why === 'lost') this.#ending = why;
    this.#abort.abort();
  }

  get begins(): boolean {
    return this.state === 'acquiring' || this.state === 'taking';
  }

  /** Whether its lease is to be renewed: also while it is being dropped, but not once it is given back or another's. */
  get holdsLease(): boolean {
    return this.state !== 'acquiring' && this.state !== 'releasing' && this.#ending !== 'lost';
  }
}

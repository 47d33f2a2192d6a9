import type { Clock } from '../../kit/clock.js';

/** Something that is kept for as long as somebody holds it, and for a while after. */
export class Leased {
  refs = 0;
  /** clock time of the last use that left no refs. */
  idleSince: number;

  constructor(readonly clock: Clock) {
    this.idleSince = clock.now();
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    this.refs--;
    this.touch();
  }

  touch(): void {
    this.idleSince = this.clock.now();
  }

  isIdle(nowMs: number, lingerMs: number): boolean {
    return this.refs === 0 && nowMs - this.idleSince >= lingerMs;
  }
}

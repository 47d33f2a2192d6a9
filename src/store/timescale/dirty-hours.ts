import { HOUR_MS } from '../../market/interval.js';

/** A stretch of time, epoch ms, `to` exclusive. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** The hours in which stored rows changed, as few stretches as they make. */
export class DirtyHours {
  readonly #hours = new Set<number>();

  get size(): number {
    return this.#hours.size;
  }

  add(timeMs: number): void {
    this.#hours.add(Math.floor(timeMs / HOUR_MS));
  }

  stretches(): Stretch[] {
    const stretches: { from: number; to: number }[] = [];
    for (const hour of [...this.#hours].sort((a, b) => a - b)) {
      const last = stretches.at(-1);
      if (last !== undefined && last.to === hour * HOUR_MS) last.to += HOUR_MS;
      else stretches.push({ from: hour * HOUR_MS, to: (hour + 1) * HOUR_MS });
    }
    return stretches;
  }

  remove({ from, to }: Stretch): void {
    for (let hour = from / HOUR_MS; hour < to / HOUR_MS; hour++) this.#hours.delete(hour);
  }
}

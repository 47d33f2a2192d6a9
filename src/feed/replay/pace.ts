import type { Clock } from '../../kit/clock.js';

/** The longest sleep, so that quiet minutes close in time. */
const MAX_SLEEP_MS = 250;

/** Maps event time to wall time. Speed 0 never waits; speed N plays N times as fast as it happened. */
export class Pace {
  #eventStart: number | null = null;
  #wallStart = 0;

  constructor(
    private readonly speed: number,
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
  ) {}

  /** From now on `eventMs` is now. */
  anchor(eventMs: number): void {
    this.#eventStart = eventMs;
    this.#wallStart = this.clock.now();
  }

  /** Waits until `eventMs` is due (or the signal aborts); tells the event time on the way. */
  async until(eventMs: number, onTime: (eventMs: number) => void): Promise<void> {
    if (this.speed === 0) return;
    if (this.#eventStart === null) this.anchor(eventMs);
    while (!this.signal.aborted) {
      const reached = this.#eventNow();
      if (reached >= eventMs) return;
      onTime(Math.floor(reached));
      await this.#sleep(Math.min(MAX_SLEEP_MS, Math.max(1, (eventMs - reached) / this.speed)));
    }
  }

  #eventNow(): number {
    return (this.#eventStart ?? 0) + (this.clock.now() - this.#wallStart) * this.speed;
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        this.signal.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.clock.after(delayMs, wake);
      this.signal.addEventListener('abort', wake);
    });
  }
}

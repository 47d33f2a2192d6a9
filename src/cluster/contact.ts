import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';

/** A wall clock further from Redis' than this closes minutes at the wrong time. */
export const MAX_SKEW_MS = 2000;

export interface ContactOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Time that never jumps, in ms; it also passes while this process stands still. */
  readonly monotonicMs: () => number;
  readonly leaseMs: number;
}

/** When a beat was sent, by both clocks. */
export interface Sent {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** What this process knows about itself and Redis: whether it answers, whose clock is off, whether time was lost. */
export class Contact {
  readonly #options: ContactOptions;
  #lastRun: Sent | null = null;
  #confirmed = true;
  #failure: string | null = null;
  #skewMs = 0;
  #skewed = false;

  constructor(options: ContactOptions) {
    this.#options = options;
  }

  now(): Sent {
    return { wallMs: this.#options.clock.now(), monotonicMs: this.#options.monotonicMs() };
  }

  /** To be called every beat: when the calls are further apart than a lease, others may have taken over in between. */
  ran(): void {
    if (this.#stoodStill()) {
      this.#confirmed = false;
      this.#options.log.warn(
        {},
        'this process stood still for longer than its leases; asking Redis what it still owns',
      );
    }
    this.#lastRun = this.now();
  }

  /** False from a standstill, noticed here or by `ran`, until Redis has answered since. */
  get confirmed(): boolean {
    return this.#confirmed && !this.#stoodStill();
  }

  /** Whether Redis answered the latest beat. */
  get up(): boolean {
    return this.#failure === null;
  }

  /** This clock minus Redis'; 0 before the first beat. */
  get skewMs(): number {
    return this.#skewMs;
  }

  get skewed(): boolean {
    return this.#skewed;
  }

  /** @returns false when the answer is so old that the leases it speaks of may be over. */
  answered(sent: Sent, redisTimeMs: number): boolean {
    const { wallMs, monotonicMs } = this.now();
    const roundTripMs = Math.max(monotonicMs - sent.monotonicMs, wallMs - sent.wallMs);
    if (roundTripMs >= this.#options.leaseMs) {
      this.failed(new Error(`its answer took ${Math.round(roundTripMs)} ms`));
      return false;
    }
    this.#noteSkew((sent.wallMs + wallMs) / 2 - redisTimeMs, roundTripMs);
    if (this.#failure !== null) this.#options.log.info({}, 'Redis answers again');
    this.#failure = null;
    this.#confirmed = true;
    return true;
  }

  failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    if (this.#failure === null) this.#options.log.warn({ err: error }, 'Redis does not answer the cluster');
    this.#failure = why;
  }

  /** For /readyz: Redis is away. */
  unreachable(): string[] {
    return this.#failure === null ? [] : [`Redis does not answer: ${this.#failure}`];
  }

  /** For /readyz: what keeps a node from owning. */
  notReady(): string[] {
    if (!this.#skewed) return this.unreachable();
    return [...this.unreachable(), `the clock differs from Redis' by ${this.#skewMs} ms: takes no symbols`];
  }

  #stoodStill(): boolean {
    if (this.#lastRun === null) return false;
    const { wallMs, monotonicMs } = this.now();
    const { leaseMs } = this.#options;
    // A machine that was suspended shows it only in its wall clock.
    return monotonicMs - this.#lastRun.monotonicMs > leaseMs || wallMs - this.#lastRun.wallMs > leaseMs;
  }

  #noteSkew(skewMs: number, roundTripMs: number): void {
    this.#skewMs = Math.round(skewMs);
    const skewed = Math.abs(skewMs) - roundTripMs / 2 > MAX_SKEW_MS;
    if (skewed === this.#skewed) return;
    this.#skewed = skewed;
    const fields = { skewMs: this.#skewMs, maxMs: MAX_SKEW_MS };
    if (skewed) this.#options.log.error(fields, "the clock of this machine differs from Redis': set it by NTP");
    else this.#options.log.info(fields, 'the clock of this machine is right again');
  }
}

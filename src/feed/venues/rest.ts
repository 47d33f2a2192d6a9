import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { Timings } from './timings.js';

/** A page of trades is some 150 kB. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_RETRY_AFTER_MS = 3_600_000;
const SKEW_SAMPLES = 9;
/** An HTTP date is cut to the second. */
const HALF_SECOND_MS = 500;

/** The venue refuses requests for now; it may be asked again at `untilMs`. */
export class RateLimitedError extends Error {
  override readonly name = 'RateLimitedError';
  constructor(
    status: number,
    readonly untilMs: number,
  ) {
    super(`the venue limits requests (${status})`);
  }
}

/** An answer that is not 2xx. 4xx: the request is wrong, a symbol that the venue does not know for one. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  constructor(
    readonly status: number,
    body: string,
  ) {
    super(`the venue answered ${status}: ${body.slice(0, 200)}`);
  }
}

export interface RestOptions {
  readonly base: string;
  readonly everyMs: number;
  readonly timings: Timings;
  readonly clock: Clock;
  readonly log: Log;
}

/** Requests to one venue, one after the other, no faster than it allows; a rate limit stops all of them. */
export class Rest {
  readonly #options: RestOptions;
  readonly #abort = new AbortController();
  #tail: Promise<unknown> = Promise.resolve();
  #nextAt = Number.NEGATIVE_INFINITY;
  readonly #skews: number[] = [];
  /** Requests that were sent and not answered yet. */
  inFlight = 0;
  requests = 0;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** How far our clock is ahead of the venue's, by its answers (their median); 0 until there was one. */
  skewMs = 0;

  /** @throws RateLimitedError, RefusedError, or what the network threw */
  readonly get = (path: string): Promise<string> => {
    const turn = this.#tail.then(() => this.#inTurn(path));
    this.#tail = turn.catch(() => {});
    return turn;
  };

  stop(): void {
    this.#abort.abort(new Error('stopped'));
  }

  async #inTurn(path: string): Promise<string> {
    const { clock, everyMs } = this.#options;
    const wait = this.#nextAt - clock.now();
    if (wait > 0) await this.#sleep(wait);
    this.#abort.signal.throwIfAborted();
    this.#nextAt = clock.now() + everyMs;
    this.requests++;
    this.inFlight++;
    try {
      return await this.#fetch(path);
    } finally {
      this.inFlight--;
    }
  }

  async #fetch(path: string): Promise<string> {
    const { base, clock, timings } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.after(timings.requestMs, () => deadline.abort(new Error('the venue did not answer in time')));
    const sentAt = clock.now();
    try {
      const signal = AbortSignal.any([deadline.signal, this.#abort.signal]);
      const response = await fetch(`${base}${path}`, { signal, redirect: 'error' });
      this.#noteDate(response.headers.get('date'), sentAt);
      const body = await readBody(response);
      if (response.status === 429 || response.status === 418) throw this.#limited(response);
      if (!response.ok) throw new RefusedError(response.status, body);
      return body;
    } finally {
      cancel();
    }
  }

  #limited(response: Response): RateLimitedError {
    const { clock, timings, log, base } = this.#options;
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    const pauseMs = seconds > 0 ? Math.min(seconds * 1000, MAX_RETRY_AFTER_MS) : timings.limitedMs;
    this.#nextAt = clock.now() + pauseMs;
    log.warn({ base, status: response.status, pauseMs }, 'the venue limits requests; waiting as long as it asks for');
    return new RateLimitedError(response.status, this.#nextAt);
  }

  #noteDate(header: string | null, sentAt: number): void {
    const date = Date.parse(header ?? '');
    if (Number.isNaN(date)) return;
    this.#skews.push((sentAt + this.#options.clock.now()) / 2 - date - HALF_SECOND_MS);
    if (this.#skews.length > SKEW_SAMPLES) this.#skews.shift();
    const sorted = [...this.#skews].sort((a, b) => a - b);
    this.skewMs = sorted[Math.floor(sorted.length / 2)] ?? 0;
  }

  #sleep(delayMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const wake = () => {
        cancel();
        signal.removeEventListener('abort', wake);
        resolve();
      };
      const cancel = this.#options.clock.after(delayMs, wake);
      if (signal.aborted) wake();
      else signal.addEventListener('abort', wake);
    });
  }
}

async function readBody(response: Response): Promise<string> {
  if (response.body === null) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new Error('the answer is larger than any page of trades');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

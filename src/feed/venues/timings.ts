/** Every time of the connector core, in ms. */
export interface Timings {
  /** A missing id may still come by itself for this long. */
  readonly reorderMs: number;
  /** A hole that the venue's REST does not fill for this long, while the stream is up, is announced as a gap. */
  readonly patienceMs: number;
  /** How often everything is looked at. */
  readonly tickMs: number;
  /** A minute that nothing has proved complete this long after its end and grace is asked for over REST. */
  readonly probeAfterMs: number;
  /** Without any proof that it has all trades for this long a symbol is stale. */
  readonly staleAfterMs: number;
  /** A trade that the stream owes for this long means that it has stalled: another connection replaces it. */
  readonly stallMs: number;
  /** At most one such replacement of a connection in this time. */
  readonly replaceEveryMs: number;
  /** Connecting, and the answer to a subscription. */
  readonly handshakeMs: number;
  /** Pings go out this often, and a connection from which nothing came for twice as long is dead. */
  readonly pingEveryMs: number;
  /** Full jitter: a delay between zero and base·2ⁿ, at most `maxBackoffMs`. */
  readonly baseBackoffMs: number;
  readonly maxBackoffMs: number;
  /** A connection that lived this long was a good one: backoff begins anew. */
  readonly settledMs: number;
  /** Before the venue cuts a connection the next one is opened, and both run for `overlapMs`. */
  readonly beforeCutMs: number;
  readonly overlapMs: number;
  /** REST requests. */
  readonly requestMs: number;
  /** How long a rate-limit answer without Retry-After stops requests. */
  readonly limitedMs: number;
  /** The start waits this long for history. */
  readonly catchUpMs: number;
}

export const TIMINGS: Timings = {
  reorderMs: 300,
  patienceMs: 60_000,
  tickMs: 250,
  probeAfterMs: 1000,
  staleAfterMs: 90_000,
  stallMs: 5000,
  replaceEveryMs: 60_000,
  handshakeMs: 10_000,
  pingEveryMs: 15_000,
  baseBackoffMs: 500,
  maxBackoffMs: 30_000,
  settledMs: 60_000,
  beforeCutMs: 30 * 60_000,
  overlapMs: 5000,
  requestMs: 15_000,
  limitedMs: 60_000,
  catchUpMs: 30_000,
};

/** Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter"). `attempt` counts from 0; `random` is in [0, 1). */
export function backoffMs(attempt: number, random: number, { baseBackoffMs, maxBackoffMs }: Timings): number {
  return random * Math.min(maxBackoffMs, baseBackoffMs * 2 ** Math.min(attempt, 20));
}

import type { Log } from '../../kit/log.js';

/** Why Redis did not take what it was given. */
export type FailureKind =
  | 'connection'
  | 'timeout'
  | 'memory'
  | 'disk'
  | 'readonly'
  | 'loading'
  | 'denied'
  | 'cluster'
  | 'script'
  | 'other';

const KINDS: readonly (readonly [FailureKind, RegExp, string])[] = [
  ['memory', /^OOM/, 'Redis is full (maxmemory): candles reach no client before it has room again'],
  ['disk', /^MISCONF/, 'Redis cannot save to its disk and refuses writes: candles reach no client before it can'],
  ['readonly', /^(READONLY|NOREPLICAS)/, 'Redis refuses writes: it is a replica, or has too few of them'],
  ['loading', /^(LOADING|BUSY)/, 'Redis is busy with itself and refuses writes'],
  ['denied', /^NOPERM|The user executing/, 'Redis refuses writes: its ACL does not allow them'],
  ['cluster', /^(MOVED|ASK|CLUSTERDOWN|TRYAGAIN|CROSSSLOT|MASTERDOWN)/, 'the Redis cluster is changing'],
  ['script', /^NOSCRIPT/, 'Redis forgot its scripts'],
  ['timeout', /timed out/, 'Redis does not answer'],
  [
    'connection',
    /closed|writeable|ready|max retries|ECONN|EPIPE|aborted/i,
    'candles cannot be published: Redis is away',
  ],
  ['other', /./, 'Redis refuses what it is given'],
];

/** Counts failures, and tells the log once when one kind begins and once when it is over. */
export class Trouble {
  readonly failures: Record<FailureKind, number> = {
    connection: 0,
    timeout: 0,
    memory: 0,
    disk: 0,
    readonly: 0,
    loading: 0,
    denied: 0,
    cluster: 0,
    script: 0,
    other: 0,
  };
  readonly #log: Log;
  #now: FailureKind | null = null;

  constructor(log: Log) {
    this.#log = log;
  }

  /** What Redis refuses now, null while it takes everything. */
  get now(): FailureKind | null {
    return this.#now;
  }

  failed(error: Error): FailureKind {
    const [kind, , words] = KINDS.find(([, pattern]) => pattern.test(error.message)) ?? ['other', /./, ''];
    this.failures[kind]++;
    // Scripts are given again at once; that is nothing to tell.
    if (kind === 'script' || this.#now === kind) return kind;
    this.#now = kind;
    this.#log.error({ error: error.message }, words);
    return kind;
  }

  over(): void {
    if (this.#now === null) return;
    this.#now = null;
    this.#log.info({}, 'Redis takes candles again');
  }
}

import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import type { FailureKind } from './trouble.js';
import type { WindowOf } from './windows.js';

export interface RedisPublisherOptions {
  readonly url: string;
  /** Before every key and channel. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly windowOf: WindowOf;
  /** A newer epoch than `epoch` owns the symbol: it is forgotten here. */
  onFenced(symbol: string, epoch: number): void;
}

/** Counts since the start. */
export interface PublisherStats {
  /** Events that Redis stored and passed on. */
  events: number;
  /** Messages, each with the events of one channel. */
  messages: number;
  /** Whole windows. */
  stores: number;
  /** Channels that a newer owner took. */
  fenced: number;
  /** Updates that a newer one replaced before they were sent. */
  replaced: number;
  /** Events of symbols that are not owned. */
  unowned: number;
  readonly commands: number;
  readonly bytes: number;
  readonly failures: Readonly<Record<FailureKind, number>>;
}

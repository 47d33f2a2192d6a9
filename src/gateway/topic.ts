import type { Position } from '../market/position.js';
import type { Encoding, Frame } from '../wire/codec.js';
import { heartbeatFrame } from '../wire/frames.js';
import type { DeliveryKind, GatewayStats } from './stats.js';

/** Puts a frame before every socket of a topic. */
export type Publish = (key: string, frame: Frame) => void;

/** What a topic is a view of: the candles of one (symbol, interval), a user's signals, or the status. */
export interface Source {
  /** What it says may be old. */
  readonly stale: boolean;
  /** Where its subscribers stand; null: it has none yet. */
  readonly position: Position | null;
  /** One more, or one less, connection holds or wants it. */
  retain(): void;
  release(): void;
}

/** Good while `of` is the channel's state and still has this version. */
export interface CachedSnapshot {
  readonly of: object;
  readonly version: number;
  /** The seq it was resumed from; null: it was not. */
  readonly since: number | null;
  readonly count: number;
  readonly frame: Frame;
}

/** One channel in one encoding, or a stream of another dialect: everything is encoded once for all who are subscribed to it. */
export class Topic<S extends Source = Source> {
  readonly key: string;
  subscribers = 0;
  /** Something was published since the last heartbeat round. */
  spoke = false;
  /** The last snapshot sent, for when many subscribe to the same at once. */
  snapshot: CachedSnapshot | null = null;

  constructor(
    readonly source: S,
    readonly channel: string,
    readonly encoding: Encoding,
    readonly closedOnly: boolean,
    /** Of the sockets that get it: the channel, or what is behind a name that is not the same for all. */
    address = channel,
  ) {
    this.key = topicKey(encoding, address);
  }

  /** null: its subscribers get none. */
  heartbeat(position: Position, stale: boolean): Frame | null {
    return heartbeatFrame(this.encoding, this.channel, position, stale);
  }

  publish(frame: Frame, kind: DeliveryKind, out: Outlet): void {
    this.spoke = true;
    this.snapshot = null;
    out.stats.deliveries[kind] += this.subscribers;
    out.publish(this.key, frame);
  }
}

export function topicKey(encoding: Encoding, address: string): string {
  return `${encoding === 'json' ? 'j' : 'm'}/${address}`;
}

export interface Outlet {
  readonly publish: Publish;
  readonly stats: GatewayStats;
}

import type { MarketEvent } from '../market/event.js';
import type { Encoding, Frame } from '../wire/codec.js';
import { candleFrame, gapFrame, type Recovery, recoveryFrame } from '../wire/frames.js';
import type { CandleChannel } from './candle-channel.js';
import type { Published } from './published.js';
import { type Outlet, Topic } from './topic.js';

/** The candles of a channel as those who are subscribed to it get them: here in the native dialect. */
export class CandleTopic extends Topic<CandleChannel> {
  /** `event` has been applied to `live`; `prev` is where that stood before. null: nothing is said of it. */
  event(live: Published, event: MarketEvent, prev: number): Frame | null {
    if (this.closedOnly && event.kind === 'update') return null;
    return this.#passed(live, event) ?? this.#encoded(live, event, prev);
  }

  /** Everything durable since `since`, where the subscribers stand, which brings them to `live`. */
  recovery(live: Published, recovery: Recovery, _since: number): readonly Frame[] {
    const carried = this.closedOnly ? { ...recovery, open: null } : recovery;
    return [recoveryFrame('resync', this.encoding, this.channel, live, carried)];
  }

  /** The event as it came: encoded once, by its writer, for the clients of all gateways. */
  #passed(live: Published, event: MarketEvent): Frame | null {
    if (event.frame === undefined || this.encoding !== 'json' || this.closedOnly) return null;
    if (event.epoch !== live.epoch || event.seq !== live.seq) return null;
    this.source.deps.outlet.stats.passedFrames++;
    return event.frame;
  }

  #encoded({ epoch, seq }: Published, event: MarketEvent, prev: number): Frame {
    const { encoding, channel } = this;
    if (event.kind === 'gap') return gapFrame(encoding, channel, epoch, prev, event.gap);
    return candleFrame(encoding, channel, epoch, seq, event.kind === 'closed' ? prev : null, event.candle);
  }
}

/** Something of this process that follows the candles of a channel. */
export interface Follower {
  /** `event` has been applied to `live`; `prev` is where that stood before. */
  event(live: Published, event: MarketEvent, prev: number): void;
  /** In place of what was missed since `since`. */
  resync(live: Published, recovery: Recovery, since: number): void;
}

/** Who is told of one channel: its topics in each encoding and dialect, with and without open candles, and followers. */
export class ChannelTopics {
  readonly #topics: CandleTopic[] = [];
  readonly #followers: Follower[] = [];

  constructor(
    readonly source: CandleChannel,
    readonly outlet: Outlet,
  ) {}

  get(channel: string, encoding: Encoding, closedOnly: boolean): CandleTopic {
    const known = this.#topics.find((topic) => topic.channel === channel && topic.encoding === encoding);
    return known ?? this.add(new CandleTopic(this.source, channel, encoding, closedOnly));
  }

  /** The topic with this key; null: there is none. */
  find(key: string): CandleTopic | null {
    return this.#topics.find((topic) => topic.key === key) ?? null;
  }

  add<T extends CandleTopic>(topic: T): T {
    this.#topics.push(topic);
    return topic;
  }

  follow(follower: Follower): void {
    this.#followers.push(follower);
  }

  unfollow(follower: Follower): void {
    const index = this.#followers.indexOf(follower);
    if (index >= 0) this.#followers.splice(index, 1);
  }

  /** `event` has been applied to `live`; `prev` is where that stood before. */
  event(live: Published, event: MarketEvent, prev: number): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      const frame = topic.event(live, event, prev);
      if (frame !== null) topic.publish(frame, event.kind, this.outlet);
    }
    for (const follower of this.#followers) follower.event(live, event, prev);
  }

  /** What everybody missed since `since`, in place of it. */
  resync(next: Published, recovery: Recovery, since: number): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      for (const frame of topic.recovery(next, recovery, since)) topic.publish(frame, 'resync', this.outlet);
    }
    for (const follower of this.#followers) follower.resync(next, recovery, since);
  }

  heartbeat(live: Published, stale: boolean): void {
    for (const topic of this.#topics) if (topic.subscribers > 0) this.#beat(topic, live, stale);
  }

  /** A heartbeat to those that heard nothing since the last call. */
  quietHeartbeat(live: Published, stale: boolean): void {
    for (const topic of this.#topics) {
      if (topic.subscribers > 0 && !topic.spoke) this.#beat(topic, live, stale);
      topic.spoke = false;
    }
  }

  #beat(topic: CandleTopic, live: Published, stale: boolean): void {
    const frame = topic.heartbeat(live, stale);
    if (frame !== null) topic.publish(frame, 'heartbeat', this.outlet);
  }
}

import type { MarketEvent } from '../market/event.js';
import type { Encoding, Frame } from '../wire/codec.js';
import { candleFrame, gapFrame, heartbeatFrame, type Recovery, recoveryFrame } from '../wire/frames.js';
import type { CandleChannel } from './candle-channel.js';
import type { Published } from './published.js';
import { type Outlet, Topic } from './topic.js';

/** The topics of one channel: each encoding, with and without open candles. */
export class ChannelTopics {
  readonly #topics: Topic<CandleChannel>[] = [];

  constructor(
    readonly source: CandleChannel,
    readonly outlet: Outlet,
  ) {}

  get(channel: string, encoding: Encoding, closedOnly: boolean): Topic<CandleChannel> {
    const known = this.#topics.find((topic) => topic.encoding === encoding && topic.closedOnly === closedOnly);
    if (known) return known;
    const topic = new Topic<CandleChannel>(this.source, channel, encoding, closedOnly);
    this.#topics.push(topic);
    return topic;
  }

  /** `event` has been applied to `live`; `prev` is where that stood before. */
  event(live: Published, event: MarketEvent, prev: number): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0 || (topic.closedOnly && event.kind === 'update')) continue;
      topic.publish(this.#passed(topic, live, event) ?? encoded(topic, live, event, prev), event.kind, this.outlet);
    }
  }

  /** What everybody missed, in place of it. */
  resync(next: Published, recovery: Recovery): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      const carried = topic.closedOnly ? { ...recovery, open: null } : recovery;
      topic.publish(recoveryFrame('resync', topic.encoding, topic.channel, next, carried), 'resync', this.outlet);
    }
  }

  heartbeat(live: Published, stale: boolean): void {
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      topic.publish(heartbeatFrame(topic.encoding, topic.channel, live, stale), 'heartbeat', this.outlet);
    }
  }

  /** A heartbeat to those that heard nothing since the last call. */
  quietHeartbeat(live: Published, stale: boolean): void {
    for (const topic of this.#topics) {
      if (topic.subscribers > 0 && !topic.spoke)
        topic.publish(heartbeatFrame(topic.encoding, topic.channel, live, stale), 'heartbeat', this.outlet);
      topic.spoke = false;
    }
  }

  /** The event as it came: encoded once, by its writer, for the clients of all gateways. */
  #passed(topic: Topic, live: Published, event: MarketEvent): Frame | null {
    if (event.frame === undefined || topic.encoding !== 'json' || topic.closedOnly) return null;
    if (event.epoch !== live.epoch || event.seq !== live.seq) return null;
    this.outlet.stats.passedFrames++;
    return event.frame;
  }
}

function encoded({ encoding, channel }: Topic, { epoch, seq }: Published, event: MarketEvent, prev: number): Frame {
  if (event.kind === 'gap') return gapFrame(encoding, channel, epoch, prev, event.gap);
  return candleFrame(encoding, channel, epoch, seq, event.kind === 'closed' ? prev : null, event.candle);
}

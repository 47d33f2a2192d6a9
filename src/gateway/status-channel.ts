import type { SymbolStatus } from '../market/event.js';
import { type Encoding, encode, type Frame } from '../wire/codec.js';
import { heartbeatFrame } from '../wire/frames.js';
import type { SourceBus } from './source-bus.js';
import { type Outlet, type Source, Topic } from './topic.js';

/** The `status` channel. Its position counts the changes since this gateway started: it is not resumed, but sent whole. */
export class StatusChannel implements Source {
  seq = 0;
  readonly #topics: readonly Topic<StatusChannel>[];

  constructor(
    readonly epoch: number,
    readonly bus: SourceBus,
    readonly outlet: Outlet,
  ) {
    this.#topics = [new Topic(this, 'status', 'json', false), new Topic(this, 'status', 'msgpack', false)];
  }

  retain(): void {}
  release(): void {}

  topic(encoding: Encoding): Topic<StatusChannel> {
    return this.#topics.find((topic) => topic.encoding === encoding) ?? new Topic(this, 'status', encoding, false);
  }

  changed(symbols: readonly SymbolStatus[]): void {
    this.seq++;
    for (const topic of this.#topics)
      if (topic.subscribers > 0) topic.publish(this.#frame(topic.encoding, symbols), 'status', this.outlet);
  }

  /** Every symbol as it stands. */
  snapshot(encoding: Encoding): Frame {
    return this.#frame(encoding, this.bus.statuses());
  }

  heartbeat(): void {
    for (const topic of this.#topics) {
      if (topic.subscribers > 0 && !topic.spoke)
        topic.publish(heartbeatFrame(topic.encoding, topic.channel, this), 'heartbeat', this.outlet);
      topic.spoke = false;
    }
  }

  #frame(encoding: Encoding, symbols: readonly SymbolStatus[]): Frame {
    return encode(
      { type: 'status', channel: 'status', epoch: this.epoch, seq: this.seq, symbols: [...symbols] },
      encoding,
    );
  }
}

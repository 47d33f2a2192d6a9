import type { SymbolStatus } from '../market/event.js';
import type { Position } from '../market/position.js';
import { type Encoding, encode, type Frame } from '../wire/codec.js';
import { heartbeatFrame } from '../wire/frames.js';
import type { SourceBus } from './source-bus.js';
import { type Outlet, type Source, Topic } from './topic.js';

/** The `status` channel. Its position counts the changes since this gateway started: it is not resumed, but sent whole. */
export class StatusChannel implements Source {
  seq = 0;
  readonly #topics: readonly Topic<StatusChannel>[];
  /** Since when nothing is heard of any symbol, epoch ms; null: all is heard. */
  #staleSince: number | null = null;

  constructor(
    readonly epoch: number,
    readonly bus: SourceBus,
    readonly outlet: Outlet,
  ) {
    this.#topics = [new Topic(this, 'status', 'json', false), new Topic(this, 'status', 'msgpack', false)];
  }

  get stale(): boolean {
    return this.#staleSince !== null;
  }

  get position(): Position {
    return this;
  }

  retain(): void {}
  release(): void {}

  topic(encoding: Encoding): Topic<StatusChannel> {
    return this.#topics.find((topic) => topic.encoding === encoding) ?? new Topic(this, 'status', encoding, false);
  }

  /** What is heard while the bus is not whole is told when it is. */
  changed(symbols: readonly SymbolStatus[]): void {
    if (!this.stale) this.#publish(symbols);
  }

  /** `since`: all symbols are stale from then on; null: they are what the bus says again. */
  setStale(since: number | null): void {
    this.#staleSince = since;
    this.#publish(this.#statuses());
    if (this.stale) this.beat();
  }

  /** Every symbol as it stands. */
  snapshot(encoding: Encoding): Frame {
    return this.#frame(encoding, this.#statuses());
  }

  /** To all. */
  beat(): void {
    for (const topic of this.#topics) if (topic.subscribers > 0) this.#beat(topic);
  }

  /** To those that heard nothing since the last call. */
  heartbeat(): void {
    for (const topic of this.#topics) {
      if (topic.subscribers > 0 && !topic.spoke) this.#beat(topic);
      topic.spoke = false;
    }
  }

  #beat(topic: Topic<StatusChannel>): void {
    topic.publish(heartbeatFrame(topic.encoding, topic.channel, this, this.stale), 'heartbeat', this.outlet);
  }

  #statuses(): readonly SymbolStatus[] {
    const since = this.#staleSince;
    const all = this.bus.statuses();
    return since === null ? all : all.map((status) => ({ ...status, state: 'stale', since }));
  }

  #publish(symbols: readonly SymbolStatus[]): void {
    this.seq++;
    for (const topic of this.#topics)
      if (topic.subscribers > 0) topic.publish(this.#frame(topic.encoding, symbols), 'status', this.outlet);
  }

  #frame(encoding: Encoding, symbols: readonly SymbolStatus[]): Frame {
    return encode(
      { type: 'status', channel: 'status', epoch: this.epoch, seq: this.seq, symbols: [...symbols] },
      encoding,
    );
  }
}

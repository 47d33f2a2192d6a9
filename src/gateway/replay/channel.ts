import type { Bar, Gap } from '../../market/candle.js';
import type { Channel } from '../../market/channel.js';
import type { Interval } from '../../market/interval.js';
import type { Position } from '../../market/position.js';
import type { Encoding, Frame } from '../../wire/codec.js';
import { candleFrame, gapFrame } from '../../wire/frames.js';
import type { MessageId } from '../../wire/messages.js';
import { Bucket } from './bucket.js';

export type CandlesChannel = Extract<Channel, { kind: 'candles' }>;

/** What one channel of a replay was asked for with. */
export interface ChannelRequest {
  readonly channel: CandlesChannel;
  readonly id: MessageId | undefined;
  readonly snapshot: number;
  /** Everything up to there came in an earlier replay. */
  readonly position: Position | null;
}

/** One channel of a replay: its open candle, where it stands, and its messages, which are those of the live channel. */
export class ReplayChannel {
  readonly name: string;
  readonly symbol: string;
  readonly interval: Interval;
  readonly closedOnly: boolean;
  /** What grows towards the next close; of a channel that is read as it is stored, nothing. */
  bucket: Bucket | null = null;
  /** Of the last durable event, sent or known already. */
  seq = 0;
  /** Something came since the last heartbeat. */
  spoke = false;
  subscribed = false;
  #epoch = 0;

  constructor(
    readonly request: ChannelRequest,
    readonly encoding: Encoding,
    readonly send: (frame: Frame) => void,
  ) {
    const { name, symbol, interval, closedOnly } = request.channel;
    this.name = name;
    this.symbol = symbol;
    this.interval = interval;
    this.closedOnly = closedOnly;
  }

  /** Where it stands when the replay begins. */
  begin(seq: number, epoch: number): void {
    this.seq = seq;
    this.#epoch = epoch;
  }

  /** What the client knows. */
  get position(): Position {
    const { position } = this.request;
    return position !== null && position.seq > this.seq ? position : { epoch: this.#epoch, seq: this.seq };
  }

  /** A candle of a shorter interval. */
  add(bar: Bar, seq: number): void {
    this.bucket ??= new Bucket(this.interval, bar);
    this.bucket.add(bar, seq);
  }

  closed(bar: Bar, epoch: number, seq: number): void {
    const prev = this.#advance(epoch, seq);
    if (!this.#knows(seq)) this.#say(candleFrame(this.encoding, this.name, this.#epoch, seq, prev, bar));
  }

  gap(gap: Gap, epoch: number): void {
    const prev = this.#advance(epoch, gap.seq);
    if (!this.#knows(gap.seq)) this.#say(gapFrame(this.encoding, this.name, this.#epoch, prev, gap));
  }

  /** The open candle, as it stands. */
  update(): void {
    const { bucket } = this;
    const { epoch, seq } = this.position;
    if (bucket !== null) this.#say(candleFrame(this.encoding, this.name, epoch, seq, null, bucket.bar(false)));
  }

  #advance(epoch: number, seq: number): number {
    const prev = this.position.seq;
    this.seq = seq;
    this.#epoch = Math.max(this.#epoch, epoch);
    return prev;
  }

  #knows(seq: number): boolean {
    const { position } = this.request;
    return position !== null && seq <= position.seq;
  }

  #say(frame: Frame): void {
    this.spoke = true;
    this.send(frame);
  }
}

import type { Clock } from '../kit/clock.js';
import type { Position } from '../market/position.js';
import type { Encoding } from '../wire/codec.js';
import { heartbeatFrame, signalFrame, signalsFrame } from '../wire/frames.js';
import type { AtMost } from './at-most.js';
import { type FeedSignal, type SignalFeed, type SignalPage, toWireSignal } from './signal-feed.js';
import { type Outlet, type Source, Topic } from './topic.js';

export interface SignalDeps {
  readonly feed: SignalFeed;
  readonly outlet: Outlet;
  readonly clock: Clock;
  /** Reads of the feed, of all users. */
  readonly reads: AtMost;
}

const NAME = 'signals';

/**
 * The signals of one user. Its topics are the user's own: what is published reaches sockets that have proved to be this
 * user's and no others. From the turn in which it goes live, news are published in the turn they arrive in.
 */
export class SignalChannel implements Source {
  /** Where its subscribers stand; null until it is live. */
  position: Position | null = null;
  refs = 0;
  /** clock time of the last release that left no refs. */
  idleSince: number;
  readonly #topics: readonly Topic<SignalChannel>[];
  readonly #first: Promise<void>;
  #stop: (() => void) | null = null;
  #gone = false;
  #waiting: (() => void)[] = [];

  constructor(
    readonly userId: string,
    readonly deps: SignalDeps,
  ) {
    this.idleSince = deps.clock.now();
    const topic = (encoding: Encoding) => new Topic<SignalChannel>(this, NAME, encoding, false, `${NAME}:${userId}`);
    this.#topics = [topic('json'), topic('msgpack')];
    this.#first = this.#start();
  }

  get seq(): number {
    return this.position?.seq ?? 0;
  }

  get stale(): boolean {
    return !this.deps.feed.up;
  }

  retain(): void {
    this.refs++;
  }

  release(): void {
    this.refs--;
    if (this.refs === 0) this.idleSince = this.deps.clock.now();
  }

  topic(encoding: Encoding): Topic<SignalChannel> {
    const found = this.#topics.find((topic) => topic.encoding === encoding);
    if (found === undefined) throw new Error(`no topic in ${encoding}`);
    return found;
  }

  /** Where it stands. Rejects with what kept it from going live. */
  async whenLive(): Promise<Position> {
    await this.#first;
    if (this.position === null) throw new Error('the channel is not live');
    return this.position;
  }

  /** @returns whether it has got to `seq` within `waitMs`. */
  async reaches(seq: number, waitMs: number): Promise<boolean> {
    const { clock } = this.deps;
    let isLate = false;
    const cancel = clock.after(waitMs, () => {
      isLate = true;
      this.#wake();
    });
    while (this.seq < seq && !isLate && !this.#gone) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    cancel();
    return this.seq >= seq;
  }

  /** Everything after `seq`, read page by page, each in its turn among all users' reads. */
  async *since(seq: number): AsyncGenerator<SignalPage> {
    const { feed, outlet, reads } = this.deps;
    outlet.stats.signalReads++;
    const pages = feed.since(this.userId, seq)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const page = await reads.run(() => pages.next());
        if (page.done) return;
        yield page.value;
      }
    } finally {
      await pages.return?.();
    }
  }

  /** To all, now. */
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

  drop(): void {
    this.#gone = true;
    this.#stop?.();
    this.#wake();
  }

  async #start(): Promise<void> {
    const pending: { news: readonly { readonly signal: FeedSignal }[]; position: Position }[] = [];
    const { feed, reads } = this.deps;
    const following = await reads.run(() =>
      feed.follow(this.userId, (news, position) => {
        if (this.position === null) pending.push({ news, position });
        else this.#accept(news, position);
      }),
    );
    this.#stop = () => following.stop();
    if (this.#gone) following.stop();
    this.position = following.position;
    for (const { news, position } of pending) this.#accept(news, position);
  }

  #accept(news: readonly { readonly signal: FeedSignal }[], position: Position): void {
    if (this.#gone) return;
    for (const { signal } of news) if (signal.seq > this.seq) this.#publish(signal, position.epoch);
    if (position.seq > this.seq) this.#skip(position);
    this.#wake();
  }

  #publish(signal: FeedSignal, epoch: number): void {
    const prev = this.seq;
    const wire = toWireSignal(signal);
    this.position = { epoch, seq: signal.seq };
    const { clock, outlet } = this.deps;
    outlet.stats.signalLag.observe(clock.now() - signal.createdAt);
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      topic.publish(signalFrame(topic.encoding, epoch, prev, wire), 'signal', outlet);
    }
  }

  /** What came last is no news any more: subscribers are told where they stand without it. */
  #skip(position: Position): void {
    const prev = this.seq;
    this.position = position;
    for (const topic of this.#topics) {
      if (topic.subscribers === 0) continue;
      topic.publish(signalsFrame(topic.encoding, position, prev, []), 'signal', this.deps.outlet);
    }
  }

  #beat(topic: Topic<SignalChannel>): void {
    if (this.position === null) return;
    topic.publish(heartbeatFrame(topic.encoding, NAME, this.position, this.stale), 'heartbeat', this.deps.outlet);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

import type { Position } from '../../src/market/position.js';
import type { FeedListener, Following, News, SignalFeed } from '../../src/signals/feed.js';

/** What one follower of one user gets. */
export class Recorder {
  readonly news: News[] = [];
  readonly positions: number[] = [];
  following: Following | null = null;
  #waiting: { seq: number; done: () => void }[] = [];

  constructor(readonly userId: string) {}

  readonly listener: FeedListener = (news, position) => {
    this.news.push(...news);
    this.positions.push(position.seq);
    this.#waiting = this.#waiting.filter(({ seq, done }) => {
      if (position.seq < seq) return true;
      done();
      return false;
    });
  };

  static async follow(feed: SignalFeed, userId: string): Promise<Recorder> {
    const recorder = new Recorder(userId);
    recorder.following = await feed.follow(userId, recorder.listener);
    return recorder;
  }

  get start(): Position {
    return this.following?.position ?? { epoch: -1, seq: -1 };
  }

  get ids(): string[] {
    return this.news.map(({ signal }) => signal.id);
  }

  get seqs(): number[] {
    return this.news.map(({ signal }) => signal.seq);
  }

  /** Resolves when it has been told of everything up to `seq`. */
  reached(seq: number): Promise<void> {
    if ((this.positions.at(-1) ?? this.start.seq) >= seq) return Promise.resolve();
    return new Promise((done) => this.#waiting.push({ seq, done }));
  }
}

import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import type { Service } from '../kit/service.js';
import type { Position } from '../market/position.js';
import { Batcher } from './batcher.js';
import { CatchUp } from './catch-up.js';
import { type FeedListener, type Following, type Page, type SignalFeed, SignalsUnavailable } from './feed-types.js';
import { Follower } from './follower.js';
import type { Hint, SignalHints } from './hints.js';
import { type Ack, isExpired } from './signal.js';
import type { SignalStore } from './store.js';

export * from './feed-types.js';

export interface FeedOptions {
  readonly store: SignalStore;
  readonly hints: SignalHints;
  readonly clock: Clock;
  readonly log: Log;
  /** How often the heads of all followed users are asked for while hints come. Default 3 s. */
  readonly pollMs?: number;
  /** The same while they do not. Default 500 ms. */
  readonly blindPollMs?: number;
}

const POLL_MS = 3000;
const BLIND_POLL_MS = 500;
const HEADS_A_QUERY = 5000;
const ACKS_A_QUERY = 1000;
const PAGE = 200;

/**
 * The feed of one node. A hint that joins is delivered at once. One that does not, one that is lost, and a connection that was
 * lost show as a head above what was delivered: the rest is read from PostgreSQL.
 */
export class UserFeeds implements SignalFeed, Service {
  readonly name = 'signal feed';
  readonly #options: FeedOptions;
  readonly #followers = new Map<string, Follower>();
  readonly #heads: Batcher<string, number>;
  readonly #acks: Batcher<Ack, number>;
  readonly #catchUp: CatchUp;
  readonly #upListeners = new Set<(up: boolean) => void>();
  #stops: readonly (() => void)[] = [];
  #epoch: Promise<number> | null = null;
  #polling = false;
  #pollAgain = false;
  #polledAt = Number.NEGATIVE_INFINITY;
  #databaseUp = true;
  #up = true;

  constructor(options: FeedOptions) {
    this.#options = options;
    const { store } = options;
    this.#heads = new Batcher(HEADS_A_QUERY, async (userIds) => {
      const heads = await store.heads(userIds);
      return userIds.map((userId) => heads.get(userId) ?? 0);
    });
    this.#acks = new Batcher(ACKS_A_QUERY, (acks) => storeAcks(store, acks));
    this.#catchUp = new CatchUp({ ...options, onDatabase: (up) => this.#databaseIs(up), onError: this.#onError });
    this.#up = options.hints.up;
  }

  async start(): Promise<void> {
    const { hints, clock, pollMs = POLL_MS, blindPollMs = BLIND_POLL_MS } = this.#options;
    this.#up = hints.up;
    const isDue = () => clock.now() - this.#polledAt >= (hints.up ? pollMs : blindPollMs);
    this.#stops = [
      hints.onHint((hint) => this.#hear(hint)),
      hints.onUp((up) => {
        this.#changed();
        if (up) void this.#poll();
      }),
      clock.every(Math.min(pollMs, blindPollMs), () => {
        if (isDue()) void this.#poll();
      }),
    ];
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops) stop();
    this.#catchUp.stop();
    for (const userId of this.#followers.keys()) this.#options.hints.unsubscribe(userId);
    this.#followers.clear();
  }

  /** Users that are followed. */
  get followed(): number {
    return this.#followers.size;
  }

  get up(): boolean {
    return this.#up;
  }

  onUp(listener: (up: boolean) => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  async head(userId: string): Promise<Position> {
    return await orUnavailable(async () => ({ epoch: await this.#getEpoch(), seq: await this.#heads.ask(userId) }));
  }

  async *since(userId: string, seq: number): AsyncGenerator<Page, void, void> {
    const { store, clock } = this.#options;
    const head = await this.head(userId);
    for (let from = seq; ; ) {
      const signals = await orUnavailable(() => store.since(userId, from, PAGE));
      const isLast = signals.length < PAGE;
      const reached = signals.at(-1)?.seq ?? 0;
      // The newest ones may have been deleted.
      const position = { epoch: head.epoch, seq: isLast ? Math.max(reached, head.seq) : reached };
      const now = clock.now();
      yield { signals: signals.filter((signal) => !isExpired(signal, now)), position };
      if (isLast) return;
      from = reached;
    }
  }

  async follow(userId: string, listener: FeedListener): Promise<Following> {
    const epoch = await orUnavailable(() => this.#getEpoch());
    const follower = this.#followers.get(userId) ?? this.#add(userId, epoch);
    follower.refs++;
    try {
      follower.ready ??= this.#begin(follower);
      await follower.ready;
    } catch (cause) {
      this.#release(follower);
      throw unavailable(cause);
    }
    // A set would take one function for one listener.
    const own: FeedListener = (news, position) => listener(news, position);
    follower.listeners.add(own);
    const stop = () => {
      if (follower.listeners.delete(own)) this.#release(follower);
    };
    return { position: follower.position, stop };
  }

  async ack(userId: string, device: string, seq: number): Promise<number> {
    return await orUnavailable(() => this.#acks.ask({ userId, device, seq }));
  }

  async acked(userId: string, device: string): Promise<number> {
    return await orUnavailable(() => this.#options.store.acked(userId, device));
  }

  readonly #onError = (error: unknown): void => this.#options.log.error({ error }, 'a listener of signals failed');

  /** The name of the database never changes: it is asked once. */
  #getEpoch(): Promise<number> {
    this.#epoch ??= this.#options.store.epoch().catch((error: unknown) => {
      this.#epoch = null;
      throw error;
    });
    return this.#epoch;
  }

  #add(userId: string, epoch: number): Follower {
    const follower = new Follower(userId, epoch);
    this.#followers.set(userId, follower);
    return follower;
  }

  /** Hints first: what is committed after the head was read comes as one, or shows as a head. */
  async #begin(follower: Follower): Promise<void> {
    await this.#subscribe(follower);
    try {
      follower.startAt(await this.#heads.ask(follower.userId));
    } catch (error) {
      follower.ready = null;
      throw error;
    }
    this.#catchUp.add(follower);
  }

  async #subscribe(follower: Follower): Promise<void> {
    const { hints } = this.#options;
    try {
      await hints.subscribe(follower.userId);
      follower.hinted = true;
    } catch {
      // It is wanted all the same; the next poll tries again.
    }
  }

  #release(follower: Follower): void {
    follower.refs--;
    if (follower.refs > 0 || this.#followers.get(follower.userId) !== follower) return;
    this.#followers.delete(follower.userId);
    this.#options.hints.unsubscribe(follower.userId);
  }

  #hear({ userId, seq, signals }: Hint): void {
    const follower = this.#followers.get(userId);
    if (follower === undefined) return;
    follower.target = Math.max(follower.target, seq);
    const first = seq - signals.length + 1;
    if (follower.seq !== null && signals.length > 0 && first <= follower.seq + 1)
      follower.advance(signals, seq, this.#options.clock.now(), this.#onError);
    this.#catchUp.add(follower);
  }

  /** Asks for the heads of all followed users; one round at a time. */
  async #poll(): Promise<void> {
    this.#pollAgain = this.#polling;
    if (this.#polling) return;
    this.#polling = true;
    do {
      this.#pollAgain = false;
      this.#polledAt = this.#options.clock.now();
      await this.#pollOnce();
    } while (this.#pollAgain);
    this.#polling = false;
  }

  async #pollOnce(): Promise<void> {
    const all = [...this.#followers.values()].filter(({ seq }) => seq !== null);
    for (const follower of all) if (!follower.hinted) void this.#subscribe(follower);
    for (let i = 0; i < all.length; i += HEADS_A_QUERY) {
      const asked = all.slice(i, i + HEADS_A_QUERY).map((follower) => ({ follower, seq: follower.seq ?? 0 }));
      try {
        const heads = await this.#options.store.heads(asked.map(({ follower }) => follower.userId));
        this.#databaseIs(true);
        for (const { follower, seq } of asked) this.#compare(follower, seq, heads.get(follower.userId));
      } catch {
        this.#databaseIs(false);
        return;
      }
    }
  }

  /** `asked`: where it stood when its head was asked for. */
  #compare(follower: Follower, asked: number, known: number | undefined): void {
    const head = known ?? 0;
    if (head < asked) {
      // The user is gone, or the database is an older copy of itself: what comes next has these places again.
      if (known !== undefined) this.#options.log.warn({ asked, head }, 'a user has fewer signals than before');
      follower.target = head;
      follower.startAt(head);
      return;
    }
    follower.target = Math.max(follower.target, head);
    this.#catchUp.add(follower);
  }

  #databaseIs(up: boolean): void {
    if (up === this.#databaseUp) return;
    this.#databaseUp = up;
    if (up) this.#options.log.info({}, 'signals can be read again');
    else this.#options.log.warn({}, 'signals cannot be read: PostgreSQL does not answer');
    this.#changed();
  }

  #changed(): void {
    const up = this.#databaseUp && this.#options.hints.up;
    if (up === this.#up) return;
    this.#up = up;
    for (const listener of this.#upListeners) listener(up);
  }
}

/** One of a device is enough. */
async function storeAcks(store: SignalStore, acks: readonly Ack[]): Promise<readonly number[]> {
  const keyOf = ({ userId, device }: Ack) => `${userId} ${device}`;
  const newest = new Map<string, Ack>();
  for (const ack of acks) {
    const known = newest.get(keyOf(ack));
    if (known === undefined || known.seq < ack.seq) newest.set(keyOf(ack), ack);
  }
  const given = [...newest.values()];
  const stored = await store.ack(given);
  const answers = new Map(given.map((ack, i) => [keyOf(ack), stored[i] ?? 0]));
  return acks.map((ack) => answers.get(keyOf(ack)) ?? 0);
}

function unavailable(cause: unknown): SignalsUnavailable {
  return new SignalsUnavailable('signals cannot be read now', { cause });
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw unavailable(cause);
  }
}

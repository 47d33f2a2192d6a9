import { randomUUID } from 'node:crypto';
import type { Authenticator } from '../../src/gateway/authenticator.js';
import { type ConnectionCounter, LocalConnectionCounter } from '../../src/gateway/connection-counter.js';
import type { FeedSignal, SignalFeed, SignalListener, SignalPage } from '../../src/gateway/signal-feed.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import type { Position } from '../../src/market/position.js';
import type { AccountChange, AuthFailure, AuthResult, Entitlements, Identity } from '../../src/wire/identity.js';

export const PLAN: Entitlements = {
  plan: 'pro',
  connections: 100,
  channels: 50,
  historyDays: null,
  intervals: null,
  signalsPerDay: 1000,
  signalSymbols: null,
  rules: 10,
};

/** Users as a database would have them, with their sessions, and signals of theirs; the truth that tests compare with. */
export class TestUsers {
  readonly accounts = new TestAccounts(this);
  readonly authenticator: Authenticator = this.accounts;
  connections: ConnectionCounter = new LocalConnectionCounter();
  readonly signals = new TestSignals(this);
  visitors: Entitlements | null = null;
  /** Added to the time of the system. */
  aheadMs = 0;
  readonly clock: Clock = { ...systemClock, now: () => systemClock.now() + this.aheadMs };
}

export class TestAccounts implements Authenticator {
  readonly #byToken = new Map<string, Identity>();
  readonly #plans = new Map<string, Entitlements>();
  readonly #ended = new Set<string>();
  readonly #listeners = new Set<(change: AccountChange) => void>();
  /** Awaited before every answer is read, and after. */
  before: () => Promise<void> = async () => {};
  after: () => Promise<void> = async () => {};
  down = false;
  verified = 0;
  questions = 0;

  constructor(readonly users: TestUsers) {}

  /** @returns a token of a new session. */
  token(userId: string, given: Partial<Identity> = {}, token = `token-${randomUUID()}`): string {
    const identity = {
      userId,
      role: 'user',
      scopes: null,
      sessionId: randomUUID(),
      keyId: null,
      expiresAt: this.users.clock.now() + 900_000,
      entitlements: PLAN,
      ...given,
    } as const;
    if (!this.#plans.has(userId)) this.#plans.set(userId, identity.entitlements);
    this.#byToken.set(token, identity);
    return token;
  }

  /** Ends the session, or revokes the key, of a token. */
  end(token: string, announced = true): void {
    const identity = this.#byToken.get(token);
    if (identity === undefined) throw new Error('no such token');
    this.#ended.add(token);
    if (announced) this.announce(identity.userId);
  }

  setPlan(userId: string, plan: Partial<Entitlements>, announced = true): void {
    this.#plans.set(userId, { ...PLAN, ...plan });
    if (announced) this.announce(userId);
  }

  announce(userId: string): void {
    for (const listener of this.#listeners) listener({ userId, sessionId: null, keyId: null });
  }

  async authenticate(token: string): Promise<AuthResult> {
    this.verified++;
    await this.before();
    if (this.down) throw new Error(`the database is away (${token})`);
    const result = this.#now(token);
    await this.after();
    return result;
  }

  async identitiesOf(accepted: readonly Identity[]): Promise<readonly AuthResult[]> {
    this.questions++;
    await this.before();
    if (this.down) throw new Error('the database is away');
    const results = accepted.map((identity): AuthResult => {
      const isSame = (other: Identity) => other.sessionId === identity.sessionId && other.keyId === identity.keyId;
      const found = [...this.#byToken].find(([, other]) => isSame(other));
      return found === undefined ? { failure: 'revoked' } : this.#now(found[0]);
    });
    await this.after();
    return results;
  }

  onChange(listener: (change: AccountChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #now(token: string): AuthResult {
    const identity = this.#byToken.get(token);
    const refused = (failure: AuthFailure): AuthResult => ({ failure });
    if (identity === undefined) return refused('invalid_token');
    if (this.#ended.has(token)) return refused('revoked');
    if (identity.expiresAt !== null && identity.expiresAt <= this.users.clock.now()) return refused('token_expired');
    return { ...identity, entitlements: this.#plans.get(identity.userId) ?? PLAN };
  }
}

interface Follower {
  readonly listener: SignalListener;
  told: number;
}

export class TestSignals implements SignalFeed {
  epoch = 9;
  pageSize = 10;
  down = false;
  up = true;
  /** News are not told, as on a node that has not heard of them yet, until `tell`. */
  silent = false;
  /** Awaited within every read. */
  delay: () => Promise<void> = async () => {};
  readonly acks = new Map<string, number>();
  readonly #bySeq = new Map<string, FeedSignal[]>();
  readonly #followers = new Map<string, Set<Follower>>();
  readonly #upListeners = new Set<(up: boolean) => void>();

  constructor(readonly users: TestUsers) {}

  of(userId: string): readonly FeedSignal[] {
    return this.#bySeq.get(userId) ?? [];
  }

  publish(userId: string, given: Partial<FeedSignal> = {}): FeedSignal {
    const all = this.#bySeq.get(userId) ?? [];
    const signal: FeedSignal = {
      id: randomUUID(),
      seq: all.length + 1,
      type: 'alert',
      symbol: 'BTCUSDT',
      data: { owner: userId, n: all.length + 1 },
      createdAt: this.users.clock.now(),
      expiresAt: null,
      source: 'publisher',
      ruleId: null,
      corrects: null,
      ...given,
    };
    this.#bySeq.set(userId, [...all, signal]);
    if (!this.silent) this.tell(userId);
    return signal;
  }

  tell(userId: string): void {
    for (const follower of this.#followers.get(userId) ?? []) this.#tell(userId, follower);
  }

  setUp(up: boolean): void {
    this.up = up;
    for (const listener of this.#upListeners) listener(up);
  }

  followers(userId: string): number {
    return this.#followers.get(userId)?.size ?? 0;
  }

  async head(userId: string): Promise<Position> {
    await this.#read();
    return this.#position(this.of(userId).length);
  }

  async *since(userId: string, seq: number): AsyncGenerator<SignalPage> {
    for (let at = seq; ; ) {
      await this.#read();
      const page = this.of(userId).filter((one) => one.seq > at);
      const rows = page.slice(0, this.pageSize);
      at = rows.at(-1)?.seq ?? at;
      yield { signals: rows.filter((one) => this.#isNews(one)), position: this.#position(at) };
      if (rows.length < this.pageSize) return;
    }
  }

  async follow(userId: string, listener: SignalListener): Promise<{ position: Position; stop(): void }> {
    await this.#read();
    const follower: Follower = { listener, told: this.of(userId).length };
    const all = this.#followers.get(userId) ?? new Set();
    this.#followers.set(userId, all.add(follower));
    return { position: this.#position(follower.told), stop: () => all.delete(follower) };
  }

  async ack(userId: string, device: string, seq: number): Promise<number> {
    await this.#read();
    const stored = Math.max(seq, this.acks.get(`${userId}/${device}`) ?? 0);
    this.acks.set(`${userId}/${device}`, stored);
    return stored;
  }

  async acked(userId: string, device: string): Promise<number> {
    await this.#read();
    return this.acks.get(`${userId}/${device}`) ?? 0;
  }

  onUp(listener: (up: boolean) => void): () => void {
    this.#upListeners.add(listener);
    return () => this.#upListeners.delete(listener);
  }

  #tell(userId: string, follower: Follower): void {
    const news = this.of(userId).filter(({ seq }) => seq > follower.told);
    follower.told = this.of(userId).length;
    const live = news.filter((one) => this.#isNews(one)).map((signal) => ({ prev: signal.seq - 1, signal }));
    follower.listener(live, this.#position(follower.told));
  }

  #isNews({ expiresAt }: FeedSignal): boolean {
    return expiresAt === null || expiresAt > this.users.clock.now();
  }

  #position(seq: number): Position {
    return { epoch: this.epoch, seq };
  }

  async #read(): Promise<void> {
    await this.delay();
    if (this.down) {
      const error = new Error('the database is away');
      error.name = 'SignalsUnavailable';
      throw error;
    }
  }
}

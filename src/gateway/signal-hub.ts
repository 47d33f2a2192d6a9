import type { Encoding } from '../wire/codec.js';
import { SignalChannel, type SignalDeps } from './signal-channel.js';
import type { Topic } from './topic.js';

/** The signal channels of users who are connected here and want theirs. */
export class SignalHub {
  readonly #deps: SignalDeps;
  readonly #byUser = new Map<string, SignalChannel>();
  readonly #stop: () => void;

  constructor(deps: SignalDeps) {
    this.#deps = deps;
    this.#stop = deps.feed.onUp(() => {
      for (const channel of this.#byUser.values()) channel.beat();
    });
  }

  topic(userId: string, encoding: Encoding): Topic<SignalChannel> {
    return (this.#byUser.get(userId) ?? this.#create(userId)).topic(encoding);
  }

  peek(userId: string, encoding: Encoding): Topic<SignalChannel> | null {
    return this.#byUser.get(userId)?.topic(encoding) ?? null;
  }

  get size(): number {
    return this.#byUser.size;
  }

  heartbeat(): void {
    for (const channel of this.#byUser.values()) channel.heartbeat();
  }

  /** Frees channels that nobody wanted for a while. */
  sweep(nowMs: number, lingerMs: number): void {
    for (const channel of this.#byUser.values())
      if (channel.refs === 0 && nowMs - channel.idleSince >= lingerMs) this.#drop(channel);
  }

  stop(): void {
    this.#stop();
    for (const channel of [...this.#byUser.values()]) this.#drop(channel);
  }

  #create(userId: string): SignalChannel {
    const channel = new SignalChannel(userId, this.#deps);
    this.#byUser.set(userId, channel);
    channel.whenLive().catch(() => this.#drop(channel));
    return channel;
  }

  #drop(channel: SignalChannel): void {
    if (this.#byUser.get(channel.userId) === channel) this.#byUser.delete(channel.userId);
    channel.drop();
  }
}

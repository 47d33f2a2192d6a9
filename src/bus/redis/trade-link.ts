import type { Clock } from '../../kit/clock.js';
import type { Log } from '../../kit/log.js';
import { closeRedis, createRedis, type RedisClient } from '../../kit/redis.js';
import { PubSub } from '../../kit/redis-pubsub.js';
import { Shards } from '../../kit/redis-shards.js';
import { slotOf } from '../../kit/redis-slots.js';
import { Names } from './names.js';

export interface TradeLinkOptions {
  readonly url: string;
  /** Before every key and channel. */
  readonly prefix: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** Connections for single trades, apart from those of candles: a flood of trades must not hold these up. */
export class TradeLink {
  readonly names: Names;
  readonly #client: RedisClient;
  readonly #shards: Shards;
  readonly #pubsub: PubSub;

  constructor(
    { url, prefix, clock, log }: TradeLinkOptions,
    name: string,
    onMessage: (channel: string, text: string) => void,
    onChange: () => void,
  ) {
    this.names = new Names(url, prefix);
    this.#client = createRedis(url, { name: `candlecast-${name}`, log });
    const shards = new Shards(this.#client, onChange, onChange);
    this.#shards = shards;
    this.#pubsub = new PubSub({ url, name: `candlecast-${name}-heard`, clock, log, shards, onMessage, onChange });
  }

  get up(): boolean {
    return this.#shards.up && this.#pubsub.up;
  }

  /** Rejects while it cannot be; it is wanted all the same. */
  want(channel: string, sharded: boolean): Promise<void> {
    return this.#pubsub.want(channel, sharded && this.names.cluster);
  }

  drop(channel: string): void {
    this.#pubsub.drop(channel);
  }

  /** What cannot be sent now is lost. */
  publish(channel: string, text: string, sharded: boolean): void {
    const node = this.#shards.of(slotOf(channel));
    if (node === null) return;
    const sent = sharded && this.names.cluster ? node.spublish(channel, text) : node.publish(channel, text);
    sent.catch(() => {});
  }

  /** Symbols whose trades somebody listens to. Rejects when it cannot be asked now. */
  async wanted(): Promise<readonly string[]> {
    const command = this.names.cluster ? 'SHARDCHANNELS' : 'CHANNELS';
    const pattern = this.names.tradesPattern;
    const replies = await Promise.all(this.#shards.masters().map((node) => node.call('PUBSUB', command, pattern)));
    return (replies.flat() as string[]).map((name) => this.names.parseTrades(name)).filter((symbol) => symbol !== null);
  }

  close(): void {
    this.#pubsub.close();
    closeRedis(this.#client);
  }
}

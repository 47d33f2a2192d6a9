import type { Clock } from '../../kit/clock.js';
import type { Shards } from '../../kit/redis-shards.js';
import type { Interval } from '../../market/interval.js';
import { isInterval } from '../../market/interval.js';
import { isSymbol } from '../../market/symbol.js';
import type { ChannelKey } from '../bus.js';
import { Demand } from '../demand.js';
import type { Names } from './names.js';

/** After a break subscribers need a moment to come back: until then what was wanted before stays wanted. */
const GRACE_MS = 3000;

export function encodeHint({ symbol, interval }: ChannelKey): string {
  return `${symbol} ${interval}`;
}

function decodeHint(text: string): ChannelKey | null {
  const [symbol = '', interval = '', ...rest] = text.split(' ');
  return rest.length === 0 && isSymbol(symbol) && isInterval(interval) ? { symbol, interval } : null;
}

/** Who listens to what, on all nodes: asked of Redis every second, and told by those who begin to. */
export class Listeners {
  readonly #shards: Shards;
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #onWanted: (channel: ChannelKey) => void;
  readonly #onUnwanted: (channel: ChannelKey) => void;
  #wanted = new Demand();
  #list: ChannelKey[] = [];
  /** Told since the poll that is under way began. */
  #hinted: ChannelKey[] = [];
  #graceUntil = 0;

  constructor(
    shards: Shards,
    names: Names,
    clock: Clock,
    onWanted: (channel: ChannelKey) => void,
    onUnwanted: (channel: ChannelKey) => void,
  ) {
    this.#shards = shards;
    this.#names = names;
    this.#clock = clock;
    this.#onWanted = onWanted;
    this.#onUnwanted = onUnwanted;
  }

  has(symbol: string, interval: Interval): boolean {
    return this.#wanted.has(symbol, interval);
  }

  /** @returns whether it is one of ours. */
  hint(text: string): boolean {
    const channel = decodeHint(text);
    if (channel === null) return false;
    this.#hinted.push(channel);
    this.#wanted.add(channel.symbol, channel.interval);
    this.#list.push(channel);
    this.#onWanted(channel);
    return true;
  }

  reconnected(): void {
    this.#graceUntil = this.#clock.now() + GRACE_MS;
  }

  /** Rejects when it cannot be asked now. */
  async poll(): Promise<void> {
    this.#hinted = [];
    const command = this.#names.cluster ? 'SHARDCHANNELS' : 'CHANNELS';
    const replies = await Promise.all(
      this.#shards.masters().map((node) => node.call('PUBSUB', command, this.#names.livePattern)),
    );
    const found = (replies.flat() as string[]).map((name) => this.#names.parseLive(name)).filter((key) => key !== null);
    const isGrace = this.#clock.now() < this.#graceUntil;
    this.#replace([...found, ...this.#hinted, ...(isGrace ? this.#list : [])]);
  }

  #replace(channels: readonly ChannelKey[]): void {
    const before = this.#wanted;
    const now = new Demand();
    const list: ChannelKey[] = [];
    for (const channel of channels) {
      if (now.has(channel.symbol, channel.interval)) continue;
      now.add(channel.symbol, channel.interval);
      list.push(channel);
    }
    const gone = this.#list.filter(({ symbol, interval }) => !now.has(symbol, interval));
    this.#wanted = now;
    this.#list = list;
    for (const channel of list) if (!before.has(channel.symbol, channel.interval)) this.#onWanted(channel);
    for (const channel of gone) this.#onUnwanted(channel);
  }
}

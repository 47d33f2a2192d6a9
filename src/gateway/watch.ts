import type { CandleChannel, ChannelDeps } from './candle-channel.js';
import { backoff } from './pause.js';
import type { StatusChannel } from './status-channel.js';

/**
 * Keeps channels true to a bus that may fail. While it is down their subscribers are told so; when it is back, every
 * channel is compared with it. A channel that hears nothing is compared now and then: its last message may have been lost.
 */
export class BusWatch {
  #comparing: Promise<void> | null = null;

  constructor(
    readonly deps: ChannelDeps,
    readonly status: StatusChannel,
    readonly channels: () => Iterable<CandleChannel>,
  ) {}

  /** The bus has gone away, or is back. */
  changed(up: boolean): void {
    const all = [...this.channels()];
    this.status.setStale(up ? null : this.deps.clock.now());
    if (up) {
      this.deps.log.info({ channels: all.length }, 'the bus is back');
      void this.#untilFresh();
    } else {
      this.deps.log.warn({ channels: all.length }, 'the bus is away: data is stale');
      for (const channel of all) channel.beStale();
    }
  }

  /** One round; a timer makes it every `watchMs`. Resolves when the comparison is through. */
  async round(): Promise<void> {
    if (!this.deps.bus.up) this.status.beat();
    const due: CandleChannel[] = [];
    for (const channel of this.channels()) {
      if (channel.stale) channel.beStale();
      if (isComparable(channel) && (channel.stale || (channel.refs > 0 && !channel.heard))) due.push(channel);
      channel.heard = false;
    }
    await this.#compare(due);
  }

  async #untilFresh(): Promise<void> {
    for (let attempt = 0; this.deps.bus.up; attempt++) {
      const due = [...this.channels()].filter((channel) => channel.stale && isComparable(channel));
      if (due.length === 0) return;
      await this.#compare(due);
      await backoff(this.deps.clock, attempt, this.deps.random);
    }
  }

  /** One call for all of them. Not twice at a time: what a slow bus has not answered is not asked again. */
  #compare(due: readonly CandleChannel[]): Promise<void> {
    if (due.length === 0 || !this.deps.bus.up) return Promise.resolve();
    this.#comparing ??= this.#ask(due).finally(() => {
      this.#comparing = null;
    });
    return this.#comparing;
  }

  async #ask(due: readonly CandleChannel[]): Promise<void> {
    const { bus, log } = this.deps;
    const asked = due.map(({ live }) => ({ epoch: live?.epoch ?? 0, seq: live?.seq ?? 0 }));
    try {
      const said = await bus.positions(due);
      if (!bus.up) return;
      due.forEach((channel, i) => {
        const at = asked[i];
        if (at !== undefined) channel.compare(at, said[i] ?? null);
      });
    } catch (error) {
      log.debug({ error }, 'positions cannot be compared');
    }
  }
}

function isComparable(channel: CandleChannel): boolean {
  return channel.live !== null && !channel.healing;
}

import type { ServerMessage } from '../wire/messages.js';

/** The channels of which the server says that what it sent may be old. Any other message on such a channel ends that. */
export class StaleChannels {
  readonly #names = new Set<string>();

  get any(): boolean {
    return this.#names.size > 0;
  }

  /** @returns whether `any` has changed. */
  take(message: ServerMessage): boolean {
    if (!('channel' in message) || message.channel === undefined) return false;
    const before = this.any;
    if (message.type === 'heartbeat' && message.stale === true) this.#names.add(message.channel);
    else if (message.type !== 'error') this.#names.delete(message.channel);
    return this.any !== before;
  }

  clear(): void {
    this.#names.clear();
  }
}

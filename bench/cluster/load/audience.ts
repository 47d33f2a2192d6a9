import { WebSocket } from 'ws';
import { INTERVALS, type Interval } from '../../../src/market/interval.js';
import { LIMITS } from '../../../src/wire/messages.js';

/** Of the shortest messages that hold so many names. */
const CHANNELS_A_MESSAGE = 100;

/** Sockets that follow every channel once, and note when closed candles come. */
export class Audience {
  updates = 0;
  /** Wall time of each closed candle since `closed` was last emptied. */
  closed: number[] = [];
  readonly #sockets: WebSocket[] = [];

  /** Resolves when all are subscribed. */
  static async of(port: number, channels: readonly string[]): Promise<Audience> {
    const audience = new Audience();
    const size = LIMITS.channelsPerConnection;
    for (let i = 0; i < channels.length; i += size) await audience.#connect(port, channels.slice(i, i + size));
    return audience;
  }

  close(): void {
    for (const socket of this.#sockets) socket.terminate();
  }

  async #connect(port: number, channels: readonly string[]): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, { perMessageDeflate: false });
    this.#sockets.push(socket);
    await new Promise((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    let subscribed = 0;
    const all = new Promise<void>((resolve, reject) => {
      socket.on('message', (data: Buffer) => {
        const text = data.toString('latin1', 0, 24);
        if (text.startsWith('{"type":"candle"')) this.#candle(data);
        else if (text.startsWith('{"type":"subscribed"')) {
          subscribed++;
          if (subscribed === channels.length) resolve();
        } else if (text.startsWith('{"type":"error"')) reject(new Error(data.toString()));
      });
    });
    for (let i = 0; i < channels.length; i += CHANNELS_A_MESSAGE)
      socket.send(
        JSON.stringify({ op: 'subscribe', channels: channels.slice(i, i + CHANNELS_A_MESSAGE), snapshot: 0 }),
      );
    await all;
  }

  #candle(data: Buffer): void {
    if (data.includes('"x":true')) this.closed.push(Date.now());
    else this.updates++;
  }
}

export function channels(symbols: readonly string[], intervals: readonly Interval[]): string[] {
  return symbols.flatMap((symbol) => intervals.map((interval) => `candles:${symbol}:${interval}`));
}

/** The first so many of all intervals. */
export function intervals(count: number): readonly Interval[] {
  return INTERVALS.slice(0, count);
}

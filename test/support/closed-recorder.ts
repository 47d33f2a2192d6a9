import { WebSocket } from 'ws';
import type { Position } from '../../src/market/position.js';
import type { ServerMessage, WireCandle } from '../../src/wire/messages.js';

/**
 * Follows one closed channel across connections and servers, as a careful bot does: resumes by position, and notices
 * anything missing, doubled or out of order.
 */
export class ClosedRecorder {
  readonly channel: string;
  readonly candles: WireCandle[] = [];
  readonly faults: string[] = [];
  position: Position | null = null;
  /** The first answer's channel was left again; what it still sends is not of the subscription from the start. */
  #leaving = false;
  #socket: WebSocket | null = null;
  #listeners: (() => void)[] = [];

  constructor(channel: string) {
    this.channel = channel;
  }

  /** Connects and resumes; resolves when the answer to the subscription is in. */
  async connect(port: number): Promise<void> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`);
    this.#socket = socket;
    this.#leaving = false;
    socket.on('error', () => this.#wake());
    socket.on('close', () => this.#wake());
    let answered = false;
    socket.on('open', () => {
      this.#subscribe();
    });
    socket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as ServerMessage;
      if (message.type === 'error') this.faults.push(`error: ${message.code} ${message.message}`);
      answered ||= this.position !== null && (message.type === 'subscribed' || message.type === 'error');
      this.#take(message);
      this.#wake();
    });
    await this.#until(() => answered || socket.readyState === WebSocket.CLOSED);
  }

  /** The first time everything there is: from seq 0 of the epoch that a first answer names. */
  #subscribe(): void {
    const channel = this.channel;
    const item = this.position === null ? channel : { channel, position: this.position };
    this.#socket?.send(JSON.stringify({ op: 'subscribe', channels: [item] }));
  }

  #take(message: ServerMessage): void {
    if (message.type === 'subscribed' && this.position === null) {
      this.position = { epoch: message.epoch, seq: 0 };
      this.#leaving = true;
      this.#socket?.send(JSON.stringify({ op: 'unsubscribe', channels: [this.channel] }));
      this.#subscribe();
    } else if (message.type === 'unsubscribed') {
      this.#leaving = false;
    } else if (this.#leaving) {
      return;
    } else if (message.type === 'subscribed' || message.type === 'resync') {
      if (message.recovered === false && this.position !== null) this.faults.push('not recovered');
      for (const candle of message.candles) this.#add(candle);
      this.position = { epoch: message.epoch, seq: message.seq };
    } else if (message.type === 'candle') {
      if (message.prev !== this.position?.seq) this.faults.push(`prev ${message.prev} after ${this.position?.seq}`);
      this.#add(message.candle);
      this.position = { epoch: message.epoch, seq: message.seq };
    } else if (message.type === 'heartbeat' && message.seq !== this.position?.seq) {
      this.faults.push(`heartbeat at ${message.seq}, we are at ${this.position?.seq}`);
    }
  }

  #add(candle: WireCandle): void {
    const last = this.candles.at(-1);
    if (!candle.x) this.faults.push(`open candle at ${candle.t}`);
    if (candle.r !== 0) this.faults.push(`revision ${candle.r} at ${candle.t}`);
    if (last !== undefined && candle.t !== last.t + 60_000) this.faults.push(`${candle.t} after ${last.t}`);
    this.candles.push(candle);
  }

  /** Resolves when `count` candles are in; rejects when the connection ends before. */
  async reach(count: number): Promise<void> {
    await this.#until(() => this.candles.length >= count || this.#socket?.readyState === WebSocket.CLOSED);
    if (this.candles.length < count) throw new Error(`closed at ${this.candles.length} of ${count} candles`);
  }

  disconnect(): void {
    this.#socket?.terminate();
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }
}

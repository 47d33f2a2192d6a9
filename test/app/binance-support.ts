import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Server } from '../support/server.js';

const MINUTE_MS = 60_000;

/** A row of klines as the exchange writes it. */
export type Row = readonly [number, string, string, string, string, string, number, string, number, ...string[]];

/** Posts a trade of every symbol ten times a second, and before that some minutes of history. Posts that fail are sent again. */
export class Collector {
  #id = 1;
  #stopped = false;
  #done: Promise<void> | null = null;

  constructor(
    readonly port: number,
    readonly symbols: readonly string[],
  ) {}

  async history(minutes: number): Promise<void> {
    const now = Date.now();
    const times = Array.from({ length: minutes * 6 }, (_, i) => now - (minutes * 6 - i) * 10_000);
    await this.#post(times.flatMap((time) => this.#trades(time)));
  }

  start(): void {
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.#post(this.#trades(Date.now()));
      await pause(100);
    }
  }

  #trades(time: number): object[] {
    return this.symbols.map((symbol) => {
      const id = this.#id++;
      const price = `${100 + ((id * 7919) % 400) / 100}`;
      return { symbol, id, time, price, quantity: '0.25', side: id % 2 === 0 ? 'buy' : 'sell' };
    });
  }

  async #post(trades: readonly object[]): Promise<void> {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ trades }) };
    while (!this.#stopped) {
      const response = await fetch(`http://127.0.0.1:${this.port}/v1/trades`, init).catch(() => null);
      if (response?.ok === true) return;
      await pause(100);
    }
  }
}

export async function rows(server: Server, query: string): Promise<Row[]> {
  return server.json<Row[]>(`/api/v3/klines?${query}`);
}

/** Closed for good, so that two who ask one after the other get the same. */
export function settled(all: readonly Row[]): Row[] {
  return all.filter((row) => row[6] < Date.now() - MINUTE_MS);
}

/** The parts of @binance/connector that are used; it comes without types. */
export interface Connector {
  Spot: new (
    key: string,
    secret: string,
    options: { baseURL: string },
  ) => {
    klines(symbol: string, interval: string, options: object): Promise<{ data: Row[] }>;
    exchangeInfo(): Promise<{ data: { symbols: { symbol: string }[] } }>;
    ticker24hr(symbol: string): Promise<{ data: { symbol: string; count: number } }>;
  };
  WebsocketStream: new (options: {
    wsURL: string;
    combinedStreams?: boolean;
    reconnectDelay: number;
    logger: object;
    callbacks: { message(text: string): void; open?(): void };
  }) => {
    subscribe(streams: string | readonly string[]): void;
    unsubscribe(streams: string | readonly string[]): void;
    disconnect(): void;
  };
}

export const connector = createRequire(import.meta.url)('@binance/connector') as Connector;

export interface Bar {
  readonly time: number;
  readonly close: number;
}

type OnBar = (bar: Bar) => void;

/**
 * The behaviour of TradingView's tutorial datafeed: history over REST, then one bare socket whose frames with an `id` or a null result
 * it ignores, subscriptions by stream name, handlers by symbol and interval, and a new connection that subscribes again after a loss.
 */
export class TutorialDatafeed {
  readonly errors: unknown[] = [];
  connections = 0;
  #socket: WebSocket | null = null;
  #closed = false;
  readonly #handlers = new Map<string, OnBar>();

  constructor(readonly host: string) {
    this.#connect();
  }

  async resolve(symbol: string): Promise<boolean> {
    const response = await fetch(`http://${this.host}/api/v3/exchangeInfo`);
    const { symbols } = (await response.json()) as { symbols: { symbol: string }[] };
    return symbols.some((one) => one.symbol === symbol);
  }

  async bars(symbol: string, interval: string, from: number, to: number): Promise<Row[]> {
    const query = `symbol=${symbol}&interval=${interval}&startTime=${from}&endTime=${to}&limit=1000`;
    const response = await fetch(`http://${this.host}/api/v3/klines?${query}`, {
      headers: { origin: 'http://chart.test' },
    });
    if (response.headers.get('access-control-allow-origin') !== '*') throw new Error('a page may not read it');
    return (await response.json()) as Row[];
  }

  subscribe(symbol: string, interval: string, onBar: OnBar): void {
    this.#handlers.set(`${symbol}:${interval}`, onBar);
    this.#send('SUBSCRIBE', [streamOf(symbol, interval)]);
  }

  unsubscribe(symbol: string, interval: string): void {
    this.#handlers.delete(`${symbol}:${interval}`);
    this.#send('UNSUBSCRIBE', [streamOf(symbol, interval)]);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.close();
  }

  #connect(): void {
    const socket = new WebSocket(`ws://${this.host}/ws`);
    this.#socket = socket;
    socket.on('open', () => {
      this.connections++;
      const names = [...this.#handlers.keys()].map((key) => streamOf(...(key.split(':') as [string, string])));
      if (names.length > 0) this.#send('SUBSCRIBE', names);
    });
    socket.on('message', (data: Buffer) => this.#heard(data.toString()));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!this.#closed) setTimeout(() => this.#connect(), 100);
    });
  }

  #send(method: string, params: readonly string[]): void {
    if (this.#socket?.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify({ method, params, id: Math.floor(Math.random() * 1e6) }));
  }

  #heard(text: string): void {
    const frame = JSON.parse(text) as { result?: null; id?: number; error?: unknown; e?: string; k?: Kline };
    if (frame.error !== undefined) this.errors.push(frame.error);
    if (frame.result === null || frame.id !== undefined || frame.e !== 'kline' || frame.k === undefined) return;
    const { s, i, t, c } = frame.k;
    this.#handlers.get(`${s}:${i}`)?.({ time: t, close: Number(c) });
  }
}

interface Kline {
  readonly s: string;
  readonly i: string;
  readonly t: number;
  readonly c: string;
}

function streamOf(symbol: string, interval: string): string {
  return `${symbol.toLowerCase()}@kline_${interval}`;
}

/** What was called with, and when there was more. */
export class Heard<T> {
  readonly items: T[] = [];
  #waiting: (() => void)[] = [];

  readonly add = (item: T): void => {
    this.items.push(item);
    for (const resolve of this.#waiting.splice(0)) resolve();
  };

  /** The first after `from` that is wanted. */
  async next(wanted: (item: T) => boolean, from = this.items.length): Promise<T> {
    for (let place = from; ; place++) {
      while (place >= this.items.length) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      const item = this.items[place];
      if (item !== undefined && wanted(item)) return item;
    }
  }
}

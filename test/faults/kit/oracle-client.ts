import { WebSocket } from 'ws';
import type { ServerMessage } from '../../../src/wire/messages.js';
import { ChannelOracle } from './channel-oracle.js';
import { between, pick, type Random } from './random.js';
import type { Truth } from './truth.js';

export interface OracleClientOptions {
  readonly channels: readonly string[];
  /** The ports of all gateways, also of those that are down: a client does not know. */
  readonly gateways: readonly number[];
  readonly truth: Truth;
  readonly random: Random;
  /** Keeps the time of everything that came. Off for thousands of clients. Default on. */
  readonly keeps?: boolean;
}

/** Longer frames than 4096 bytes are refused; a channel with its position takes about 110. */
const CHANNELS_A_MESSAGE = 25;
const HANDSHAKE_MS = 1000;
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 150;
/** A server that refuses has reasons that pass slowly, and a limit of messages. */
const REFUSED_MS = 100;
/** Replies after which the same is asked again; the second only where the symbol was never seen. */
const AWAY = 'history_unavailable';
const NOT_YET = 'unknown_symbol';

/**
 * A careful client of several gateways: it reconnects with jitter to any of them and resumes each channel by position;
 * whatever comes is checked by a ChannelOracle.
 */
export class OracleClient {
  readonly channels: ReadonlyMap<string, ChannelOracle>;
  /** Times a socket was opened, and codes with which one that was open closed. */
  connects = 0;
  readonly closes: { readonly code: number; readonly atMs: number; readonly port: number }[] = [];
  /** The gateway it is connected to; 0 = to none. */
  port = 0;
  /** Replies that told it to ask again. */
  retries = 0;
  readonly #options: OracleClientOptions;
  readonly #faults: string[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  #refusedChannels: ChannelOracle[] = [];
  #socket: WebSocket | null = null;
  #avoid = 0;
  #stopped = false;
  #watchers: (() => void)[] = [];

  constructor(options: OracleClientOptions) {
    this.#options = options;
    const { truth, keeps = true } = options;
    this.channels = new Map(
      options.channels.map((name) => [name, new ChannelOracle(name, truth, keeps, this.#faults)]),
    );
  }

  /** Connects; resolves when every channel is live. */
  async start(port?: number): Promise<this> {
    this.#connect(port ?? this.#somePort());
    await this.whole();
    return this;
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.terminate();
  }

  /** What went wrong, on all channels. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  get isWhole(): boolean {
    if (this.port === 0) return false;
    for (const channel of this.channels.values()) if (!channel.live) return false;
    return true;
  }

  /** Resolves when every channel is live on a connection. */
  whole(): Promise<void> {
    return this.until(() => this.isWhole);
  }

  /** Resolves when `done` holds; it is asked after everything that comes. Rejects at the first fault. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.#faults.length > 0) throw new Error(this.#faults.join('\n'));
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  /** The socket, for tests that stop reading from it or cut it. */
  get socket(): WebSocket | null {
    return this.#socket;
  }

  channel(name: string): ChannelOracle {
    const channel = this.channels.get(name);
    if (channel === undefined) throw new RangeError(`${name} is not subscribed`);
    return channel;
  }

  #connect(port: number): void {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, {
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    let opened = false;
    socket.on('error', () => {});
    socket.on('open', () => {
      opened = true;
      this.connects++;
      this.port = port;
      this.#subscribe([...this.channels.values()]);
    });
    socket.on('message', (data: Buffer) => this.#read(data.toString()));
    socket.on('close', (code) => {
      if (this.#stopped || this.#socket !== socket) return;
      if (opened) this.closes.push({ code, atMs: performance.now(), port });
      this.#lost(port);
    });
  }

  #lost(port: number): void {
    this.#refusedChannels = [];
    this.port = 0;
    this.#avoid = port;
    for (const channel of this.channels.values()) channel.disconnected();
    this.#wake();
    this.#later(() => this.#connect(this.#somePort()));
  }

  /** Any but the one that just failed. */
  #somePort(): number {
    const { gateways, random } = this.#options;
    const others = gateways.filter((port) => port !== this.#avoid);
    return pick(random, others.length > 0 ? others : gateways);
  }

  #subscribe(channels: readonly ChannelOracle[]): void {
    for (let from = 0; from < channels.length; from += CHANNELS_A_MESSAGE) {
      const items = channels.slice(from, from + CHANNELS_A_MESSAGE).map((channel) => channel.request());
      this.#socket?.send(JSON.stringify({ op: 'subscribe', channels: items }));
    }
  }

  #read(text: string): void {
    try {
      this.#take(JSON.parse(text) as ServerMessage);
    } catch (error) {
      this.#faults.push(`${error instanceof Error ? error.message : error}: ${text.slice(0, 300)}`);
      this.#wake();
    }
  }

  #take(message: ServerMessage): void {
    if (message.type === 'error') this.#refused(message);
    else if ('channel' in message) this.channels.get(message.channel)?.take(message, performance.now());
    this.#wake();
  }

  #refused({ code, message, channel: name }: Extract<ServerMessage, { type: 'error' }>): void {
    const channel = name === undefined ? undefined : this.channels.get(name);
    const passing = code === AWAY || (code === NOT_YET && channel?.position === null);
    if (channel === undefined || !passing) {
      this.#faults.push(`error ${code} ${name ?? ''}: ${message}`);
      return;
    }
    this.retries++;
    this.#refusedChannels.push(channel);
    if (this.#refusedChannels.length > 1) return;
    this.#later(() => {
      const again = this.#refusedChannels.splice(0);
      if (this.port !== 0) this.#subscribe(again.filter(({ live }) => !live));
    }, REFUSED_MS);
  }

  #later(work: () => void, plusMs = 0): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer);
        if (!this.#stopped) work();
      },
      plusMs + between(this.#options.random, RETRY_MIN_MS, RETRY_MAX_MS),
    );
    this.#timers.add(timer);
  }

  #wake(): void {
    if (this.#watchers.length === 0) return;
    for (const resolve of this.#watchers.splice(0)) resolve();
  }
}

import { WebSocket } from 'ws';
import type { Position } from '../../../src/market/position.js';
import type { ServerMessage } from '../../../src/wire/messages.js';
import type { WireSignal } from '../../../src/wire/signals.js';
import { between, pick, type Random } from './random.js';

export interface SignalClientOptions {
  readonly userId: string;
  /** An access token or an API key. */
  readonly token: string;
  /** How it is sent. */
  readonly via: 'message' | 'subprotocol';
  /** The ports of all gateways, also of those that are down. */
  readonly gateways: readonly number[];
  readonly random: Random;
  /** Of each new signal. */
  readonly onSignal?: (signal: WireSignal, client: SignalClient) => void;
}

const HANDSHAKE_MS = 5000;
const RETRY_MIN_MS = 20;
const RETRY_MAX_MS = 300;
/** Codes that say not to come back. */
const isFinal = (code: number): boolean => code === 1008 || code === 1009 || (code >= 4100 && code < 4200);

/**
 * One connection of a user to the channel `signals`, as a careful client has it: when it is cut it goes to another gateway and
 * resumes by position. What does not join, comes from a position it does not have, or is somebody else's is a fault.
 */
export class SignalClient {
  /** Place by id of everything that came. */
  readonly received = new Map<string, number>();
  readonly faults: string[] = [];
  /** Signals that came again. */
  repeated = 0;
  connects = 0;
  /** Pages of what was missed. */
  pages = 0;
  /** Answers that told it to ask again. */
  retries = 0;
  /** The gateway it is connected to; 0 = to none. */
  port = 0;
  position: Position | null = null;
  readonly #options: SignalClientOptions;
  #live = false;
  #socket: WebSocket | null = null;
  #timer: NodeJS.Timeout | null = null;
  #avoid = 0;
  #stopped = false;
  #watchers: (() => void)[] = [];

  constructor(options: SignalClientOptions) {
    this.#options = options;
  }

  get userId(): string {
    return this.#options.userId;
  }

  /** Subscribed, on a connection. */
  get isWhole(): boolean {
    return this.#live;
  }

  /** Resolves when it is subscribed. */
  async start(port: number): Promise<this> {
    this.#connect(port);
    await this.until(() => this.#live);
    return this;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  /** Resolves when `done` holds; it is asked after everything that comes. Rejects at the first fault. */
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      if (this.faults.length > 0) throw new Error(this.faults.join('\n'));
      await new Promise<void>((resolve) => this.#watchers.push(resolve));
    }
  }

  #connect(port: number): void {
    const { token, via } = this.#options;
    const protocols = via === 'subprotocol' ? ['candlecast.v1.json', `candlecast.bearer.${token}`] : [];
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, protocols, {
      handshakeTimeout: HANDSHAKE_MS,
      perMessageDeflate: false,
    });
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('open', () => {
      this.connects++;
      this.port = port;
      if (via === 'message') this.#send({ op: 'auth', id: 'auth', token });
      this.#subscribe();
    });
    socket.on('message', (data: Buffer) => {
      if (this.#socket === socket) this.#read(data.toString());
    });
    socket.on('close', (code) => {
      if (this.#stopped || this.#socket !== socket) return;
      this.#lost(port, code);
    });
  }

  #lost(port: number, code: number): void {
    this.#live = false;
    this.port = 0;
    this.#avoid = port;
    if (isFinal(code)) this.#fault(`closed with ${code}`);
    else this.#later(() => this.#connect(this.#somePort()));
    this.#wake();
  }

  #somePort(): number {
    const { gateways, random } = this.#options;
    const others = gateways.filter((port) => port !== this.#avoid);
    return pick(random, others.length > 0 ? others : gateways);
  }

  #subscribe(): void {
    const channel = { channel: 'signals', ...(this.position === null ? {} : { position: this.position }) };
    this.#send({ op: 'subscribe', id: 'signals', channels: [channel] });
  }

  #send(message: object): void {
    this.#socket?.send(JSON.stringify(message));
  }

  #read(text: string): void {
    try {
      this.#take(JSON.parse(text) as ServerMessage);
    } catch (error) {
      this.#fault(`${error instanceof Error ? error.message : error}: ${text.slice(0, 300)}`);
    }
    this.#wake();
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case 'subscribed':
        this.#subscribed(message);
        break;
      case 'signal':
        this.#advance(message, [message.signal]);
        break;
      case 'signals':
        this.pages++;
        this.#advance(message, message.signals);
        break;
      case 'heartbeat':
        if (message.seq !== this.position?.seq)
          this.#fault(`heartbeat at ${message.seq}, it is at ${this.position?.seq}`);
        break;
      case 'authenticated':
        if (message.userId !== this.userId) this.#fault(`it is ${message.userId} now`);
        break;
      case 'error':
      case 'unsubscribed':
        this.#refused(message);
        break;
      default:
    }
  }

  #subscribed({ epoch, seq, recovered }: Position & { readonly recovered?: boolean }): void {
    this.#live = true;
    const { position } = this;
    if (position !== null && (recovered !== true || seq !== position.seq || epoch !== position.epoch))
      this.#fault(`resumed at ${epoch}/${seq}, recovered ${recovered}, from ${position.epoch}/${position.seq}`);
    this.position = { epoch, seq };
  }

  #advance({ epoch, seq, prev }: Position & { readonly prev: number }, signals: readonly WireSignal[]): void {
    const { position } = this;
    if (position === null || prev !== position.seq || epoch !== position.epoch || seq <= prev)
      this.#fault(`from ${prev} to ${epoch}/${seq}, it is at ${position?.epoch}/${position?.seq}`);
    let last = prev;
    for (const signal of signals) {
      if (signal.seq <= last || signal.seq > seq) this.#fault(`${signal.seq} between ${last} and ${seq}`);
      last = signal.seq;
      this.#keep(signal);
    }
    this.position = { epoch, seq };
  }

  #keep(signal: WireSignal): void {
    const owner = signal.data?.user;
    if (owner !== undefined && owner !== this.userId) this.#fault(`a signal of ${String(owner)}`);
    if (this.received.has(signal.id)) this.repeated++;
    else this.#options.onSignal?.(signal, this);
    this.received.set(signal.id, signal.seq);
  }

  /** What passes is asked again. */
  #refused(message: Extract<ServerMessage, { type: 'error' | 'unsubscribed' }>): void {
    const code = message.type === 'error' ? message.code : message.reason;
    // Where the token could not be verified, the subscription that came with it is refused for want of it.
    if (code !== 'unavailable' && code !== 'auth_required') {
      this.#fault(`${message.type} ${code}: ${message.message}`);
      return;
    }
    this.retries++;
    this.#live = false;
    if (code === 'auth_required' || message.type !== 'error' || message.id === 'signals') this.#again(code);
  }

  #again(code: string): void {
    this.#later(() => {
      if (this.port === 0) return;
      if (code === 'auth_required') this.#send({ op: 'auth', id: 'auth', token: this.#options.token });
      this.#subscribe();
    });
  }

  #later(work: () => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        if (!this.#stopped) work();
      },
      between(this.#options.random, RETRY_MIN_MS, RETRY_MAX_MS),
    );
  }

  #fault(what: string): void {
    if (this.faults.length < 10) this.faults.push(`${this.userId}: ${what}`);
  }

  #wake(): void {
    if (this.#watchers.length === 0) return;
    for (const resolve of this.#watchers.splice(0)) resolve();
  }
}

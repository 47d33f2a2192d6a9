import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Dialect } from './dialects.js';
import type { Script } from './script.js';
import { Random, type TrueTrade } from './truth.js';
import type { VirtualClock } from './virtual-clock.js';

/** What answers below one path of a port. */
export interface VenueServer {
  answer(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}

/** One port for any number of venues, told apart by the first part of the path. */
export class VenuePort {
  readonly #venues = new Map<string, VenueServer>();
  readonly #http: Server;
  readonly sockets = new WebSocketServer({ noServer: true, autoPong: false });

  private constructor() {
    this.#http = createServer((request, response) => this.#find(request)?.answer(request, response));
    this.#http.on('upgrade', (request, socket, head) => this.#find(request)?.upgrade(request, socket, head));
  }

  static async open(): Promise<VenuePort> {
    const port = new VenuePort();
    port.#http.listen(0, '127.0.0.1');
    await once(port.#http, 'listening');
    return port;
  }

  add(name: string, venue: VenueServer): { ws: string; rest: string } {
    this.#venues.set(name, venue);
    const { port } = this.#http.address() as AddressInfo;
    return { ws: `ws://127.0.0.1:${port}/${name}/ws`, rest: `http://127.0.0.1:${port}/${name}` };
  }

  remove(name: string): void {
    this.#venues.delete(name);
  }

  async close(): Promise<void> {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  #find({ url = '' }: IncomingMessage): VenueServer | undefined {
    return this.#venues.get(url.split('/')[1] ?? '');
  }
}

interface Peer {
  readonly socket: WebSocket;
  readonly openedAt: number;
  natives: readonly string[];
  /** It has asked and is not answered. */
  hangs: boolean;
}

export interface MockOptions {
  readonly port: VenuePort;
  readonly dialect: Dialect;
  readonly clock: VirtualClock;
  readonly script: Script;
  /** Ascending by time; ids ascend for each native symbol. */
  readonly trades: readonly TrueTrade[];
}

/** An exchange that does what a script says, over real sockets. */
export class MockVenue implements VenueServer {
  readonly #options: MockOptions;
  readonly #random: Random;
  readonly #peers = new Set<Peer>();
  readonly #held = new Set<ServerResponse>();
  readonly #natives: readonly string[];
  #nextTrade = 0;
  framesSent = 0;
  /** Requests that came although the answer before had asked to wait. */
  impatient = 0;
  #limitedUntil = Number.NEGATIVE_INFINITY;
  readonly sent = { trades: 0, dropped: 0, doubled: 0, delayed: 0, poisoned: 0, wrong: 0, refused: 0 };

  constructor(options: MockOptions) {
    this.#options = options;
    this.#random = new Random(options.script.seed ^ 0x5eed);
    this.#natives = [...new Set(options.trades.map(({ native }) => native))];
    const { clock, script, trades } = options;
    this.#nextTrade = trades.findIndex(({ time }) => time >= this.now);
    for (const { kind, from } of script.windows) {
      if (kind === 'cut') clock.after(from - this.now, () => this.#cut());
      if (kind === 'closing') clock.after(from - this.now, () => this.#announceClosing());
    }
    clock.after(1000 - (this.now % 1000), () => this.#everySecond());
    this.#scheduleTrade();
  }

  /** The venue's clock. */
  get now(): number {
    return this.#options.clock.now() - this.#options.script.skewMs;
  }

  get open(): number {
    return this.#peers.size;
  }

  get held(): number {
    return this.#held.size;
  }

  get hanging(): number {
    return [...this.#peers].filter(({ hangs }) => hangs).length;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.#is('cut')) {
      this.sent.refused++;
      socket.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      return;
    }
    this.#options.port.sockets.handleUpgrade(request, socket, head, (ws) => this.#welcome(ws));
  }

  #welcome(socket: WebSocket): void {
    const peer: Peer = { socket, openedAt: this.now, natives: [], hangs: false };
    this.#peers.add(peer);
    socket.on('close', () => this.#peers.delete(peer));
    socket.on('error', () => {});
    socket.on('ping', (data) => {
      if (!this.#isFrozen(peer)) socket.pong(data);
    });
    socket.on('message', (data) => this.#subscribe(peer, String(data)));
    const { lifeMs } = this.#options.script;
    if (lifeMs !== null) this.#options.clock.after(lifeMs, () => socket.terminate());
  }

  #subscribe(peer: Peer, message: string): void {
    const { natives, answers } = this.#options.dialect.subscribed(message);
    if (this.#is('deaf')) {
      peer.hangs = true;
      return;
    }
    peer.natives = [...peer.natives, ...natives];
    for (const answer of answers) this.#send(peer, answer);
  }

  #send(peer: Peer, text: string): void {
    if (peer.socket.readyState !== peer.socket.OPEN) return;
    this.framesSent++;
    peer.socket.send(text);
  }

  #is(kind: Script['windows'][number]['kind']): boolean {
    return this.#options.script.windows.some((w) => w.kind === kind && w.from <= this.now && this.now < w.to);
  }

  /** A silence belongs to the connections that were there when it began. */
  #isFrozen(peer: Peer): boolean {
    return this.#options.script.windows.some(
      (w) => w.kind === 'frozen' && w.from <= this.now && peer.openedAt < w.from && this.now < w.to,
    );
  }

  #isMuted(peer: Peer, native: string): boolean {
    const { windows } = this.#options.script;
    return windows.some(
      (w) =>
        w.kind === 'mute' &&
        native === this.#natives[0] &&
        w.from <= this.now &&
        peer.openedAt < w.from &&
        this.now < w.to,
    );
  }

  #cut(): void {
    for (const { socket } of this.#peers) socket.terminate();
  }

  #announceClosing(): void {
    const text = this.#options.dialect.closing(this.now);
    if (text !== null) for (const peer of this.#peers) this.#send(peer, text);
  }

  #scheduleTrade(): void {
    const trade = this.#options.trades[this.#nextTrade];
    if (trade === undefined) return;
    this.#options.clock.after(trade.time - this.now, () => {
      this.#nextTrade++;
      this.#stream(trade);
      this.#scheduleTrade();
    });
  }

  #stream(trade: TrueTrade): void {
    const { script, dialect, clock } = this.#options;
    const { rates } = script;
    const isFaulty = this.now < script.faultsUntil;
    const roll = (rate: number) => isFaulty && this.#random.chance(rate);
    if (roll(rates.drop)) {
      this.sent.dropped++;
      return;
    }
    if (roll(rates.wrong)) this.#sendWrong(trade);
    const isPoisoned = roll(rates.poison);
    if (isPoisoned) this.sent.poisoned++;
    const text = isPoisoned ? this.#poison(trade) : dialect.trade(trade);
    const delay = roll(rates.delay) ? this.#random.int(20, 900) : 0;
    if (delay > 0) this.sent.delayed++;
    if (delay === 0) this.#broadcast(trade.native, text);
    else clock.after(delay, () => this.#broadcast(trade.native, text));
    if (!roll(rates.double)) return;
    this.sent.doubled++;
    clock.after(this.#random.int(0, 3000), () => this.#broadcast(trade.native, dialect.trade(trade)));
  }

  #broadcast(native: string, text: string): void {
    this.sent.trades++;
    for (const peer of this.#peers) {
      if (!peer.natives.includes(native) || this.#isMuted(peer, native) || this.#isFrozen(peer)) continue;
      this.#send(peer, text);
    }
  }

  #poison(trade: TrueTrade): string {
    const { dialect } = this.#options;
    const value = this.#random.pick<unknown>([
      'NaN',
      '-1',
      '0',
      '',
      null,
      '1e400',
      '0x10',
      '1,5',
      {},
      [],
      true,
      ' 1',
      '1e999',
    ]);
    switch (this.#random.int(0, 6)) {
      case 0:
        return dialect.poisoned(trade, 'price', value);
      case 1:
        return dialect.poisoned(trade, 'quantity', value);
      case 2:
        return dialect.poisoned(
          trade,
          'time',
          this.#random.pick<unknown>([0, -5, null, 'soon', '2001-01-01T00:00:00Z', 4e12]),
        );
      case 3:
        return dialect.poisoned(trade, 'id', this.#random.pick<unknown>([null, -1, 0.5, 'abc', {}]));
      case 4:
        return dialect.poisoned(trade, 'side', this.#random.pick<unknown>([null, 'both', 7]));
      case 5:
        return dialect.trade(trade).slice(0, -this.#random.int(1, 40));
      default:
        return this.#random.pick([
          '',
          '[]',
          'null',
          '{}',
          '"x"',
          '{"data":5}',
          '{"channel":"trade","data":{}}',
          '\u0000',
        ]);
    }
  }

  /** A well-formed trade that never was. */
  #sendWrong(trade: TrueTrade): void {
    this.sent.wrong++;
    const id = this.#random.chance(0.5)
      ? trade.id + this.#random.int(100_000, 9_000_000)
      : trade.id - this.#random.int(1, 30);
    this.#broadcast(trade.native, this.#options.dialect.trade({ ...trade, id, price: '77777.00000000' }));
  }

  #everySecond(): void {
    const { clock, dialect, trades } = this.#options;
    const now = this.now;
    const mayDrop = now < this.#options.script.faultsUntil;
    for (const native of this.#natives) {
      const last = trades.slice(0, this.#nextTrade).findLast((t) => t.native === native && t.time < now);
      const lines = [dialect.second(native, now, last)];
      if (now % 60_000 < 1000) {
        const before = trades.filter((t) => t.native === native && t.time < now);
        const openMs = Math.floor(now / 60_000) * 60_000 - 60_000;
        const inMinute = before.filter(({ time }) => time >= openMs && time < openMs + 60_000);
        lines.push(dialect.minuteEnd(native, openMs, inMinute));
      }
      for (const line of lines) {
        if (line !== null && !(mayDrop && this.#random.chance(0.3))) this.#broadcast(native, line);
      }
    }
    clock.after(1000, () => this.#everySecond());
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const { script, dialect } = this.#options;
    response.setHeader('Date', new Date(this.now).toUTCString());
    if (this.now < this.#limitedUntil) this.impatient++;
    if (this.#is('hang')) {
      this.#held.add(response);
      response.on('close', () => this.#held.delete(response));
      return;
    }
    const limited = script.windows.find((w) => w.kind === 'limited' && w.from <= this.now && this.now < w.to);
    if (limited !== undefined) {
      const seconds = Math.ceil((limited.to - this.now) / 1000);
      if (this.#random.chance(0.7)) {
        response.setHeader('Retry-After', String(seconds));
        this.#limitedUntil = this.now + seconds * 1000;
      }
      response.writeHead(this.#random.pick([429, 418])).end('{"code":-1003,"msg":"Too many requests."}');
      return;
    }
    if (this.#is('errors')) {
      response.writeHead(this.#random.pick([500, 502, 503, 504])).end('<html>oops</html>');
      return;
    }
    const url = new URL(`http://venue${request.url?.replace(/^\/[^/]+/, '') ?? ''}`);
    const until = this.now - (this.#is('lag') ? 2500 : 0);
    const known = (native: string) => this.#options.trades.filter((t) => t.native === native && t.time <= until);
    const body = dialect.rest(url, known);
    if (body === null) {
      response.writeHead(404).end('{}');
      return;
    }
    if (this.#is('broken')) response.end(body.slice(0, Math.floor(body.length / 2)));
    else response.end(this.#is('lacking') && this.#random.chance(0.6) ? dialect.lacking(body) : body);
  }
}

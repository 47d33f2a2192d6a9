import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { WebSocket } from 'ws';
import type { Dialect } from './dialects.js';
import type { VenuePort, VenueServer } from './mock-venue.js';
import type { TrueTrade } from './truth.js';
import type { VirtualClock } from './virtual-clock.js';

/** A frame as the exchange sent it, and when it was received (epoch ms). */
export interface RecordedFrame {
  readonly receivedMs: number;
  readonly text: string;
}

/** In the order in which they were received. */
export function recordedFrames(file: string): RecordedFrame[] {
  const path = fileURLToPath(new URL(`../../fixtures/${file}`, import.meta.url));
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  const frames = lines.map((line) => {
    const blank = line.indexOf(' ');
    return { receivedMs: Math.ceil(Number(line.slice(0, blank)) * 1000), text: line.slice(blank + 1) };
  });
  return frames.sort((a, b) => a.receivedMs - b.receivedMs);
}

export interface RecordedOptions {
  readonly port: VenuePort;
  readonly dialect: Dialect;
  readonly clock: VirtualClock;
  readonly frames: readonly RecordedFrame[];
  /** The trade that a frame tells; null: it tells none. */
  readonly tradeOf: (text: string) => TrueTrade | null;
}

/** An exchange that sends a recording verbatim, each frame when it was received; its REST knows what it has sent. */
export class RecordedVenue implements VenueServer {
  readonly #options: RecordedOptions;
  readonly #told: TrueTrade[] = [];
  #socket: WebSocket | null = null;
  #nextFrame = 0;
  framesSent = 0;

  constructor(options: RecordedOptions) {
    this.#options = options;
    const seen = new Set<string>();
    for (const { text, receivedMs } of options.frames) {
      const trade = options.tradeOf(text);
      if (trade === null || seen.has(trade.native)) continue;
      seen.add(trade.native);
      // There were trades before the recording; of them only the last id is known.
      this.#told.push({ ...trade, id: trade.id - 1, time: receivedMs - 3_600_000 });
    }
  }

  get open(): number {
    return this.#socket === null ? 0 : 1;
  }

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#options.port.sockets.handleUpgrade(request, socket, head, (ws) => {
      this.#socket = ws;
      ws.on('close', () => {
        this.#socket = null;
      });
      ws.on('ping', (data) => ws.pong(data));
      ws.once('message', (data) => this.#begin(String(data)));
    });
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    response.setHeader('Date', new Date(this.#options.clock.now()).toUTCString());
    const url = new URL(`http://venue${request.url?.replace(/^\/[^/]+/, '') ?? ''}`);
    response.end(
      this.#options.dialect.rest(url, (native) => this.#told.filter((t) => t.native === native)) ?? undefined,
    );
  }

  #begin(subscribe: string): void {
    for (const answer of this.#options.dialect.subscribed(subscribe).answers) this.#send(answer);
    this.#play();
  }

  #play(): void {
    const { frames, clock, tradeOf } = this.#options;
    for (let frame = frames[this.#nextFrame]; frame !== undefined; frame = frames[this.#nextFrame]) {
      if (frame.receivedMs > clock.now()) {
        clock.after(frame.receivedMs - clock.now(), () => this.#play());
        return;
      }
      this.#nextFrame++;
      this.#send(frame.text);
      const trade = tradeOf(frame.text);
      if (trade !== null) this.#told.push(trade);
    }
  }

  #send(text: string): void {
    this.framesSent++;
    this.#socket?.send(text);
  }
}

/**
 * What the SDK costs a client: candle messages a second that one process takes in over a real socket, decoded and handed to a listener or
 * a `for await`, against a bare `ws` client that only parses each frame. A server in a process of its own sends prepared frames as fast as they are read.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type RawData, WebSocket, WebSocketServer } from 'ws';
import { Client } from '../src/client/index.js';
import { report, rounds } from './support/rounds.js';

const MESSAGES = 400_000;
const FRAMES_AT_ONCE = 500;
const BUFFERED_BYTES = 4 * 1024 * 1024;
const ROUNDS = 9;
const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 5);
const CHANNEL = 'candles:BTCUSDT:1m';
const SELF = fileURLToPath(import.meta.url);

/** Nine updates of the open candle, then its close; every number differs from the one before. */
function frameOf(n: number): string {
  const [minute, isClose] = [Math.floor(n / 10), n % 10 === 9];
  const candle = {
    t: START_MS + minute * MINUTE_MS,
    o: '64000.00000000',
    h: '64100.00000000',
    l: '63900.00000000',
    c: `${64_000 + (n % 97)}.00000000`,
    v: `${n % 1000}.50000000`,
    n: n % 500,
    x: isClose,
    r: 0,
  };
  const place = { type: 'candle', channel: CHANNEL, epoch: 7, seq: 1 + minute + (isClose ? 1 : 0) };
  return JSON.stringify(isClose ? { ...place, prev: 1 + minute, candle } : { ...place, candle });
}

async function serve(): Promise<void> {
  const frames = Array.from({ length: MESSAGES }, (_, n) => frameOf(n));
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  server.on('connection', (socket) => {
    socket.send(
      JSON.stringify({ type: 'welcome', protocol: 'candlecast.v1', server: 'bench', time: 0, heartbeatMs: 60_000 }),
    );
    socket.on('message', (data: RawData) => {
      const { op, id } = JSON.parse(String(data)) as { op: string; id?: number };
      if (op !== 'subscribe') return;
      socket.send(
        JSON.stringify({ type: 'subscribed', id, channel: CHANNEL, epoch: 7, seq: 1, candles: [], gaps: [] }),
      );
      pump(socket, 0);
    });
  });
  function pump(socket: WebSocket, from: number): void {
    let n = from;
    while (n < frames.length && n < from + FRAMES_AT_ONCE && socket.bufferedAmount < BUFFERED_BYTES) {
      socket.send(frames[n++] ?? '');
    }
    if (n < frames.length && socket.readyState === WebSocket.OPEN) setImmediate(() => pump(socket, n));
  }
  await once(server, 'listening');
  process.send?.(server.address());
}

/** Messages a second from the first to the last. */
class Rate {
  #startedAt = 0;
  #count = 0;
  readonly #done: (rate: number) => void;
  readonly result: Promise<number>;

  constructor() {
    let done: (rate: number) => void = () => {};
    this.result = new Promise((resolve) => {
      done = resolve;
    });
    this.#done = done;
  }

  add(isLast: boolean): void {
    if (this.#count++ === 0) this.#startedAt = performance.now();
    if (isLast) this.#done((MESSAGES / (performance.now() - this.#startedAt)) * 1000);
  }
}

const isLast = (t: number, x: boolean): boolean => x && t === START_MS + (MESSAGES / 10 - 1) * MINUTE_MS;

async function bare(port: number): Promise<number> {
  const rate = new Rate();
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/stream`, ['candlecast.v1.json'], {
    perMessageDeflate: false,
  });
  socket.on('open', () => socket.send(JSON.stringify({ op: 'subscribe', id: 1, channels: [CHANNEL] })));
  socket.on('message', (data: RawData) => {
    const message = JSON.parse(String(data)) as { type: string; candle: { t: number; x: boolean } };
    if (message.type === 'candle') rate.add(isLast(message.candle.t, message.candle.x));
  });
  const result = await rate.result;
  socket.terminate();
  return result;
}

async function listener(port: number): Promise<number> {
  const rate = new Rate();
  const client = new Client({ url: `http://127.0.0.1:${port}` });
  client.onCandles('BTCUSDT', '1m', {}, (items) => {
    for (const item of items) if (item.type === 'candle') rate.add(isLast(item.t, item.x));
  });
  const result = await rate.result;
  client.close();
  return result;
}

/** Updates that a newer one has replaced before the loop came to them count as taken in. */
async function loop(port: number): Promise<number> {
  const rate = new Rate();
  const client = new Client({ url: `http://127.0.0.1:${port}` });
  for await (const item of client.candles('BTCUSDT', '1m', { buffer: MESSAGES })) {
    if (item.type !== 'candle') continue;
    const last = isLast(item.t, item.x);
    rate.add(last);
    if (last) break;
  }
  client.close();
  return await rate.result;
}

if (process.argv[2] === 'serve') await serve();
else {
  const server = fork(SELF, ['serve'], { execArgv: process.execArgv });
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const results = await rounds(ROUNDS, {
    'ws + JSON.parse': () => bare(port),
    onCandles: () => listener(port),
    'for await': () => loop(port),
  });
  report('SDK: decode and dispatch', results, {
    unit: 'messages/s',
    ratios: [
      ['onCandles', 'ws + JSON.parse', null],
      ['for await', 'ws + JSON.parse', null],
    ],
  });
  server.kill();
}

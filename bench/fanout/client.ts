/**
 * The load: thousands of WebSocket clients in one process on bare TCP sockets, which count frames and read nothing.
 * Obeys the runner over IPC: {op:'connect'…} → ready; {op:'expect', deliveries, ticks} → arms; {op:'report'}.
 */
import { type Socket, connect as tcpConnect } from 'node:net';
import { DIALECTS, type Hello } from './dialects.js';

interface ConnectCommand {
  readonly op: 'connect';
  readonly port: number;
  readonly controlPort: number;
  readonly dialect: string;
  readonly clients: number;
  readonly channels: number;
  readonly channelsPerClient: number;
}
type Command = ConnectCommand | { op: 'expect'; deliveries: number } | { op: 'report' } | { op: 'stop' };

const CONNECT_AT_ONCE = 100;
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);
const counts = { frames: 0, bytes: 0, reads: 0 };
let target = Number.POSITIVE_INFINITY;
let step = 0;
let control: Socket | null = null;
let cpu = process.cpuUsage();
let since = process.hrtime.bigint();

class Client {
  #handshake: string | null = '';
  #header = Buffer.alloc(10);
  #headerBytes = 0;
  #need = -1;
  #control: Buffer | null = null;
  readonly #ready: () => void;
  #repliesLeft: number;
  readonly #tcp: Socket;
  readonly #hello: Hello;

  constructor(port: number, hello: Hello, ready: () => void) {
    this.#hello = hello;
    this.#repliesLeft = hello.replies;
    this.#ready = ready;
    this.#tcp = tcpConnect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (bytes, buffer) => {
          this.#read(buffer as Buffer, bytes);
          return true;
        },
      },
    });
    this.#tcp.on('error', fail);
    this.#tcp.on('close', () => fail(new Error('a connection was closed by the server')));
    const protocol = hello.protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${hello.protocol}\r\n`;
    this.#tcp.write(
      `GET ${hello.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n${protocol}\r\n`,
    );
  }

  #read(buffer: Buffer, bytes: number): void {
    counts.reads++;
    counts.bytes += bytes;
    let start = 0;
    if (this.#handshake !== null) {
      this.#handshake += buffer.toString('latin1', 0, bytes);
      const end = this.#handshake.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!this.#handshake.startsWith('HTTP/1.1 101')) {
        fail(new Error(this.#handshake.slice(0, 200)));
        return;
      }
      start = bytes - (this.#handshake.length - end - 4);
      this.#handshake = null;
      this.#say(0);
      if (this.#repliesLeft === 0) this.#ready();
    }
    const frames = this.#count(buffer, start, bytes);
    if (frames === 0) return;
    if (this.#repliesLeft > 0) {
      for (let i = 0; i < frames; i++) this.#say(this.#hello.replies - --this.#repliesLeft);
      if (this.#repliesLeft <= 0) this.#ready();
    }
    counts.frames += frames;
    if (counts.frames >= target) {
      target += step;
      control?.write('.');
    }
  }

  #say(index: number): void {
    const text = this.#hello.send[index];
    if (text !== undefined && text !== '') this.#tcp.write(maskedText(text));
  }

  /** Frames completed by these bytes. */
  #count(buffer: Buffer, start: number, end: number): number {
    let frames = 0;
    let i = start;
    while (i < end) {
      if (this.#need < 0) {
        this.#header[this.#headerBytes++] = buffer[i++] ?? 0;
        this.#need = this.#payloadLength();
        if (this.#need < 0) continue;
        this.#headerBytes = 0;
        if ((this.#header[0] ?? 0) & 8) this.#control = Buffer.alloc(0);
      }
      const taken = Math.min(this.#need, end - i);
      if (this.#control !== null) this.#control = Buffer.concat([this.#control, buffer.subarray(i, i + taken)]);
      this.#need -= taken;
      i += taken;
      if (this.#need > 0) break;
      this.#need = -1;
      if (this.#control === null) frames++;
      else this.#answer(this.#control);
    }
    return frames;
  }

  /** Pings are answered as every client does; control frames do not count. */
  #answer(payload: Buffer): void {
    this.#control = null;
    if (((this.#header[0] ?? 0) & 15) === 9) this.#tcp.write(masked(0x8a, payload));
  }

  /** −1 until the header is whole. */
  #payloadLength(): number {
    if (this.#headerBytes < 2) return -1;
    const short = (this.#header[1] ?? 0) & 127;
    if (short < 126) return short;
    if (short === 126) return this.#headerBytes < 4 ? -1 : this.#header.readUInt16BE(2);
    return this.#headerBytes < 10 ? -1 : Number(this.#header.readBigUInt64BE(2));
  }
}

/** A client frame; the mask is zero, which the protocol allows. */
function maskedText(text: string): Buffer {
  return masked(0x81, Buffer.from(text));
}

function masked(first: number, payload: Buffer): Buffer {
  const short = payload.length < 126;
  const header = Buffer.alloc(short ? 6 : 8);
  header[0] = first;
  header[1] = 0x80 | (short ? payload.length : 126);
  if (!short) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

function fail(error: Error): void {
  process.send?.({ re: 'failed', message: error.message });
}

async function connectAll(command: ConnectCommand): Promise<void> {
  const hello = DIALECTS[command.dialect];
  if (hello === undefined) throw new Error(`no dialect ${command.dialect}`);
  const socket = tcpConnect({ port: command.controlPort, host: '127.0.0.1', noDelay: true });
  socket.on('error', fail);
  control = socket;
  for (let first = 0; first < command.clients; first += CONNECT_AT_ONCE) {
    const batch: Promise<void>[] = [];
    for (let c = first; c < Math.min(first + CONNECT_AT_ONCE, command.clients); c++) {
      const own = Array.from(
        { length: command.channelsPerClient },
        (_, k) => (c * command.channelsPerClient + k) % command.channels,
      );
      batch.push(new Promise((ready) => new Client(command.port, hello(own), ready)));
    }
    await Promise.all(batch);
  }
}

process.on('message', async (command: Command) => {
  if (command.op === 'connect') {
    await connectAll(command).catch(fail);
    process.send?.({ re: 'connected' });
  }
  if (command.op === 'expect') {
    Object.assign(counts, { frames: 0, bytes: 0, reads: 0 });
    step = command.deliveries;
    target = step;
    cpu = process.cpuUsage();
    since = process.hrtime.bigint();
    process.send?.({ re: 'armed' });
  }
  if (command.op === 'report') {
    const used = process.cpuUsage(cpu);
    const wallMicros = Number((process.hrtime.bigint() - since) / 1000n);
    process.send?.({ re: 'report', ...counts, cpuMicros: used.user + used.system, wallMicros });
  }
  if (command.op === 'stop') process.exit(0);
});
process.on('disconnect', () => process.exit(0));

/**
 * Readers of replays: plain TCP sockets that look at nothing but where frames begin, answer pings, and count what comes until a
 * frame of the type `replay_end`.
 */
import { connect } from 'node:net';

interface Command {
  readonly op: 'once' | 'begin' | 'end';
  readonly port: number;
  /** What each sends to be served. */
  readonly ask: string;
  readonly clients: number;
}

const TEXT = 0x81;
const PING = 0x89;
const PONG = 0x8a;
/** In `{"type":"replay_end"`; a candle has a `c` there. */
const TYPE_AT = 9;
const R = 'r'.charCodeAt(0);

function masked(opcode: number, payload: Buffer): Buffer {
  const long = payload.length >= 126;
  const header = Buffer.from([opcode, 0x80 | (long ? 126 : payload.length), ...(long ? [0, 0] : []), 0, 0, 0, 0]);
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** One reader; `onEnd` says whether to ask again. */
class Reader {
  frames = 0;
  #rest: Buffer = Buffer.alloc(0);
  #open = false;
  readonly #socket;

  constructor(
    port: number,
    readonly ask: string,
    readonly onEnd: () => boolean,
  ) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', (error) => process.send?.({ re: 'failed', message: error.message }));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.write(
      'GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#open) {
      const end = data.indexOf('\r\n\r\n');
      if (end >= 0) {
        this.#open = true;
        data = data.subarray(end + 4);
        this.#socket.write(masked(TEXT, Buffer.from(this.ask)));
      }
    }
    this.#rest = this.#open ? data.subarray(this.#frames(data)) : data;
  }

  /** @returns how many bytes whole frames take. */
  #frames(data: Buffer): number {
    let at = 0;
    for (;;) {
      const length = data[at + 1];
      if (length === undefined) return at;
      const begin = at + (length < 126 ? 2 : 4);
      if (data.length < begin) return at;
      const end = begin + (length < 126 ? length : data.readUInt16BE(at + 2));
      if (data.length < end) return at;
      if (data[at] === PING) this.#socket.write(masked(PONG, data.subarray(begin, end)));
      else {
        this.frames++;
        if (data[begin + TYPE_AT] === R && this.onEnd()) this.#socket.write(masked(TEXT, Buffer.from(this.ask)));
      }
      at = end;
    }
  }
}

let readers: Reader[] = [];

async function once({ port, ask, clients }: Command): Promise<object> {
  const begin = process.hrtime.bigint();
  let left = clients;
  await new Promise<void>((resolve) => {
    const onEnd = (): boolean => {
      left--;
      if (left === 0) resolve();
      return false;
    };
    readers = Array.from({ length: clients }, () => new Reader(port, ask, onEnd));
  });
  const micros = Number((process.hrtime.bigint() - begin) / 1000n);
  return { micros, frames: stop() };
}

function stop(): number {
  const frames = readers.reduce((count, reader) => count + reader.frames, 0);
  for (const reader of readers) reader.close();
  readers = [];
  return frames;
}

process.on('message', async (command: Command) => {
  if (command.op === 'once') process.send?.({ re: 'once', ...(await once(command)) });
  else if (command.op === 'end') process.send?.({ re: 'end', frames: stop() });
  else {
    readers = Array.from({ length: command.clients }, () => new Reader(command.port, command.ask, () => true));
    process.send?.({ re: 'begin' });
  }
});
process.on('disconnect', () => process.exit(0));

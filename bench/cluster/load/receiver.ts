/** Subscribers: bare sockets that take the intended time of each trade out of the frames that they get. */
import { connect, type Socket } from 'node:net';
import { nowMicros, quantiles } from '../time.js';

interface Connect {
  readonly op: 'connect';
  readonly port: number;
  /** null: whoever connects gets everything. */
  readonly channel: string | null;
  readonly clients: number;
}

type Command =
  | Connect
  /** Trades before it are not counted. */
  | { readonly op: 'measure'; readonly measureMicros: number }
  | { readonly op: 'result' };

const CLOSE = Buffer.from('"c":"');
const CLOSED = Buffer.from('"x":');
const TRUE = 't'.charCodeAt(0);
const HANDSHAKES_AT_ONCE = 50;
const latencies: number[] = [];
let bytes = 0;
let measureFrom = Number.POSITIVE_INFINITY;
let sockets: Socket[] = [];
let idle = process.cpuUsage();

function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

/** Resolves when it is subscribed. An update fits one read on loopback: none is cut in two. */
function subscriber({ port, channel }: Connect): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let open = false;
    let asked = false;
    let buffer = Buffer.alloc(0);
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: {
        buffer: Buffer.allocUnsafe(64 * 1024),
        callback: (length, chunk) => {
          if (open) take(chunk as Buffer, length);
          else greet(Buffer.from(chunk.subarray(0, length)));
          return true;
        },
      },
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('a subscriber was cut off')));
    socket.write(
      'GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    const greet = (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      if (!buffer.includes('\r\n\r\n')) return;
      if (channel !== null && !asked) {
        asked = true;
        socket.write(masked(JSON.stringify({ op: 'subscribe', channels: [channel], snapshot: 0 })));
      }
      if (buffer.includes('"type":"error"')) reject(new Error(buffer.toString()));
      if (channel !== null && !buffer.includes('"type":"subscribed"')) return;
      open = true;
      resolve(socket);
    };
  });
}

function take(chunk: Buffer, length: number): void {
  const now = nowMicros();
  for (let at = chunk.indexOf(CLOSE); at >= 0 && at < length; at = chunk.indexOf(CLOSE, at + CLOSE.length)) {
    const end = chunk.indexOf(34, at + CLOSE.length);
    // A candle that closes carries an old price.
    const flag = chunk.indexOf(CLOSED, end);
    if (flag < 0 || flag >= length || chunk[flag + CLOSED.length] === TRUE) continue;
    const intended = Number(chunk.toString('latin1', at + CLOSE.length, end).replace('.', ''));
    if (intended < measureFrom) continue;
    latencies.push(now - intended);
  }
  bytes += length;
}

async function open(command: Connect): Promise<object> {
  for (let i = 0; i < command.clients; i += HANDSHAKES_AT_ONCE) {
    const some = Math.min(HANDSHAKES_AT_ONCE, command.clients - i);
    sockets.push(...(await Promise.all(Array.from({ length: some }, () => subscriber(command)))));
  }
  bytes = 0;
  idle = process.cpuUsage();
  return { re: 'connected' };
}

function result(): object {
  const { user, system } = process.cpuUsage(idle);
  for (const socket of sockets) socket.destroy();
  sockets = [];
  const answer = { re: 'result', ...quantiles(latencies), bytes, cpuMicros: user + system };
  latencies.length = 0;
  return answer;
}

function handle(command: Command): object | Promise<object> {
  if (command.op === 'connect') return open(command);
  if (command.op === 'result') return result();
  measureFrom = command.measureMicros;
  return { re: 'measuring' };
}

process.on('message', async (command: Command) => {
  try {
    process.send?.(await handle(command));
  } catch (error) {
    process.send?.({ re: 'failed', message: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

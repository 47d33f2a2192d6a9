/** Users' sockets: bare ones that take the intended time of each signal out of the frames that they get. */
import { connect, type Socket } from 'node:net';
import { nowMicros, quantiles } from '../../cluster/time.js';

type Command =
  | { readonly op: 'connect'; readonly port: number; readonly tokens: readonly string[] }
  /** Signals from there on count. */
  | { readonly op: 'measure'; readonly measureMicros: number }
  | { readonly op: 'count' }
  | { readonly op: 'result' };

const AT = Buffer.from('"at":');
/** More than a time in µs has. */
const DIGITS = 20;
const PING = 0x9;
const NOTHING = Buffer.alloc(0);
const HANDSHAKES_AT_ONCE = 50;
/** The server takes so many of one address. */
const SOCKETS_AN_ADDRESS = 5000;
const latencies: number[] = [];
let signals = 0;
let measureFrom = Number.POSITIVE_INFINITY;
const sockets: Socket[] = [];
let idle = process.cpuUsage();

function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

const SUBSCRIBE = masked(JSON.stringify({ op: 'subscribe', channels: ['signals'] }));

/** Resolves when it is subscribed. */
function user(port: number, token: string, index: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let open = false;
    let asked = false;
    let rest: Buffer = NOTHING;
    const localAddress = `127.0.0.${2 + Math.floor(index / SOCKETS_AN_ADDRESS)}`;
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`a user was cut off: ${rest.toString().slice(0, 300)}`)));
    socket.on('data', (chunk) => {
      const all = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      rest = open ? take(socket, all) : greet(all);
    });
    socket.write(
      'GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n' +
        `Sec-WebSocket-Protocol: candlecast.v1.json, candlecast.bearer.${token}\r\n\r\n`,
    );
    const greet = (all: Buffer): Buffer => {
      if (!asked && all.includes('\r\n\r\n')) {
        asked = true;
        socket.write(SUBSCRIBE);
      }
      if (all.includes('"type":"error"')) reject(new Error(all.toString()));
      const answered = all.includes('"type":"subscribed"');
      const end = all.indexOf('\r\n\r\n');
      if (!answered || end < 0) return all;
      open = true;
      resolve(socket);
      return take(socket, all.subarray(end + 4));
    };
  });
}

/** Takes whole frames and answers pings. @returns what is not whole yet */
function take(socket: Socket, all: Buffer): Buffer {
  let at = 0;
  for (;;) {
    const short = (all[at + 1] ?? 0) & 0x7f;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (at + header > all.length) break;
    const length =
      short === 126 ? all.readUInt16BE(at + 2) : short === 127 ? Number(all.readBigUInt64BE(at + 2)) : short;
    const end = at + header + length;
    if (end > all.length) break;
    const opcode = (all[at] ?? 0) & 0x0f;
    if (opcode === PING) socket.write(pong(all.subarray(at + header, end)));
    else read(all.subarray(at + header, end));
    at = end;
  }
  return at === all.length ? NOTHING : Buffer.from(all.subarray(at));
}

/** With what the ping carried, of less than 126 bytes, masked with zeros. */
function pong(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x8a, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

function read(frame: Buffer): void {
  const now = nowMicros();
  for (let at = frame.indexOf(AT); at >= 0; at = frame.indexOf(AT, at + AT.length)) {
    signals++;
    const intended = Number.parseInt(frame.toString('latin1', at + AT.length, at + AT.length + DIGITS), 10);
    if (intended >= measureFrom) latencies.push(now - intended);
  }
}

async function open(port: number, tokens: readonly string[]): Promise<object> {
  for (let i = 0; i < tokens.length; i += HANDSHAKES_AT_ONCE)
    sockets.push(
      ...(await Promise.all(tokens.slice(i, i + HANDSHAKES_AT_ONCE).map((token, j) => user(port, token, i + j)))),
    );
  return { re: 'connected' };
}

function handle(command: Command): object | Promise<object> {
  switch (command.op) {
    case 'connect':
      return open(command.port, command.tokens);
    case 'count':
      return { re: 'count', signals };
    case 'measure':
      measureFrom = command.measureMicros;
      latencies.length = 0;
      idle = process.cpuUsage();
      return { re: 'measuring' };
    case 'result': {
      const { user, system } = process.cpuUsage(idle);
      return { re: 'result', ...quantiles(latencies), cpuMicros: user + system };
    }
  }
}

process.on('message', async (command: Command) => {
  try {
    process.send?.(await handle(command));
  } catch (error) {
    process.send?.({ re: 'failed', message: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

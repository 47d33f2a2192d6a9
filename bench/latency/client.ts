/**
 * The load: an open loop of trades on an absolute schedule into one TCP socket, and the subscribers that get the updates,
 * in one process so that there is one clock. The intended time of a trade, in µs, is its price (1e-8 units); it comes
 * back as the close of the candle. A late generator counts as latency, and its lateness is reported.
 */
import { connect, type Socket } from 'node:net';

interface Run {
  readonly op: 'run';
  readonly port: number;
  readonly inletPort: number;
  readonly subscribe: boolean;
  readonly clients: number;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

/** The clock of timers: whoever never sleeps has its turn on the core taken away just when a trade is due. */
const SLEEP_MICROS = 1000;
const CLOSE = Buffer.from('"c":"');
const started = process.hrtime.bigint();
const nowMicros = () => Number((process.hrtime.bigint() - started) / 1000n);
const latencies: number[] = [];
let measureFrom = Number.POSITIVE_INFINITY;

function masked(text: string): Buffer {
  const payload = Buffer.from(text);
  const header = Buffer.from(
    payload.length < 126 ? [0x81, 0x80 | payload.length, 0, 0, 0, 0] : [0x81, 0x80 | 126, 0, 0, 0, 0, 0, 0],
  );
  if (payload.length >= 126) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** One subscriber; resolves when it is one. Frames are found by the close they carry: none is cut in two by a read here. */
function subscriber(run: Run): Promise<Socket> {
  return new Promise((resolve, reject) => {
    let open = false;
    let asked = false;
    let buffer = Buffer.alloc(0);
    const socket = connect({ port: run.port, host: '127.0.0.1', noDelay: true });
    socket.on('error', reject);
    socket.write(
      'GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    socket.on('data', (chunk: Buffer) => {
      if (open) {
        take(chunk);
        return;
      }
      buffer = Buffer.concat([buffer, chunk]);
      if (!buffer.includes('\r\n\r\n')) return;
      if (run.subscribe && !asked) {
        asked = true;
        socket.write(masked(JSON.stringify({ op: 'subscribe', channels: ['candles:BENCH:1m'] })));
      }
      if (run.subscribe && !buffer.includes('"type":"subscribed"')) return;
      open = true;
      resolve(socket);
    });
  });
}

function take(chunk: Buffer): void {
  const now = nowMicros();
  for (let at = chunk.indexOf(CLOSE); at >= 0; at = chunk.indexOf(CLOSE, at + CLOSE.length)) {
    const end = chunk.indexOf(34, at + CLOSE.length);
    const intended = Number(chunk.toString('latin1', at + CLOSE.length, end).replace('.', ''));
    if (intended >= measureFrom) latencies.push(now - intended);
  }
}

/** What is traded before the last minute has closed is shown when it has: a run that crosses it measures the grace. */
async function farFromTheMinute(runMs: number): Promise<void> {
  const graceMs = 3000;
  const sinceMs = Date.now() % 60_000;
  if (sinceMs > graceMs && sinceMs + runMs < 60_000) return;
  await new Promise((resolve) => setTimeout(resolve, (60_000 + graceMs - sinceMs) % 60_000));
}

async function run(command: Run): Promise<object> {
  const sockets = await Promise.all(Array.from({ length: command.clients }, () => subscriber(command)));
  const inlet = connect({ port: command.inletPort, host: '127.0.0.1', noDelay: true });
  await new Promise((resolve) => inlet.once('connect', resolve));
  await farFromTheMinute((command.seconds + 2) * 1000);
  const periodMicros = 1e6 / command.ratePerSecond;
  const begin = nowMicros() + 50_000;
  const warm = begin + 1e6;
  measureFrom = warm;
  const end = warm + command.seconds * 1e6;
  let next = begin;
  const lateness: number[] = [];
  await new Promise<void>((resolve) => {
    const tick = () => {
      let now = nowMicros();
      while (next <= now) {
        const price = (Math.round(next) / 1e8).toFixed(8);
        inlet.write(`${price}\t${frame(price)}\n`);
        if (next >= warm) lateness.push(now - next);
        next += periodMicros;
        now = nowMicros();
      }
      if (next >= end) setTimeout(resolve, 500);
      else if (next - now > 2 * SLEEP_MICROS) setTimeout(tick, Math.floor((next - now) / 1000) - 1);
      else setImmediate(tick);
    };
    tick();
  });
  for (const socket of sockets) socket.destroy();
  inlet.destroy();
  const expected = lateness.length * command.clients;
  return {
    re: 'done',
    ...quantiles(latencies),
    deliveries: latencies.length,
    expected,
    lateness: quantiles(lateness).p99,
  };
}

/** What the bare relay sends: a candle update of the size that ours has. */
function frame(price: string): string {
  return `{"type":"candle","channel":"candles:BENCH:1m","epoch":1,"seq":31376000000000,"candle":{"t":1795362960000,"o":"${price}","h":"${price}","l":"${price}","c":"${price}","v":"12345.00000000","n":12345,"x":false,"r":0}}`;
}

function quantiles(values: number[]) {
  values.sort((a, b) => a - b);
  const at = (q: number) => values[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

process.on('message', async (command: Run) => {
  process.send?.(await run(command));
});
process.on('disconnect', () => process.exit(0));

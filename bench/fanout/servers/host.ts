/**
 * Runs one server under test as a process of its own and obeys the runner over IPC. A server is a module that calls
 * `host({...})`; `node --expose-gc --import tsx servers/<name>.ts` prints its port and answers:
 *   {op:'run', channels, ticks, clients}  ticks in a closed loop, one outstanding → {cpuMicros, wallMicros}
 *   {op:'rss'}                            after forced collection → {rssBytes}
 *   {op:'stop'}
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import type { Candle } from '../../../src/market/candle.js';
import { candleFrame } from '../../../src/wire/frames.js';

export interface ServerUnderTest {
  /** Listens on a free port of 127.0.0.1. */
  listen(): Promise<number>;
  /** Sends one message (`payload(n)`) on each of channels 0 … count − 1, in one turn. */
  tick(count: number): void;
  /** Peer dialect of dialects.ts. */
  readonly dialect: string;
}

interface Command {
  readonly op: 'run' | 'rss' | 'stop';
  readonly channels?: number;
  readonly ticks?: number;
}

/** A candle of channel n as the gateway encodes it; every server sends these bytes, 205 or so. */
export function sampleCandle(n: number): Candle {
  return {
    symbol: `B${n}`,
    interval: '1m',
    openTime: 1_795_363_000_000 - (1_795_363_000_000 % 60_000),
    open: '0.00141342',
    high: '0.00141557',
    low: '0.00141266',
    close: '0.00141418',
    volume: '1482.00000000',
    quoteVolume: '2.0945000000000000',
    takerBuyVolume: '700.00000000',
    takerBuyQuoteVolume: '0.9900000000000000',
    trades: 12,
    firstTradeId: 1,
    lastTradeId: 12,
    firstTradeTime: 1_795_363_000_000,
    lastTradeTime: 1_795_363_001_000,
    closed: false,
    revision: 0,
    seq: 0,
  };
}

export const EPOCH = 1_795_363_000;
export const SEQ = 31_376_000_000_000;
const PAYLOADS = Array.from({ length: 200 }, (_, n) =>
  String(candleFrame('json', `candles:B${n}:1m`, EPOCH, SEQ, null, sampleCandle(n))),
);

/** What every server sends on channel n: as with real candles no two channels have the same. */
export function payload(n: number): string {
  return PAYLOADS[n] ?? '';
}

export async function host(server: ServerUnderTest): Promise<void> {
  let control: Socket | null = null;
  let onByte: () => void = () => undefined;
  // The load client tells by one byte that the tick has arrived everywhere: shorter than two hops over IPC.
  const controlServer = createServer({ noDelay: true }, (socket) => {
    control = socket;
    socket.on('data', () => onByte());
    socket.on('error', () => undefined);
  }).listen(0, '127.0.0.1');
  await once(controlServer, 'listening');
  const port = await server.listen();
  const address = controlServer.address();
  const controlPort = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${port}\n`);

  const run = (channels: number, ticks: number) =>
    new Promise<object>((resolve) => {
      let left = ticks;
      const cpu = process.cpuUsage();
      const start = process.hrtime.bigint();
      onByte = () => {
        if (--left > 0) {
          server.tick(channels);
          return;
        }
        const used = process.cpuUsage(cpu);
        const wallMicros = Number((process.hrtime.bigint() - start) / 1000n);
        resolve({ cpuMicros: used.user + used.system, wallMicros });
      };
      server.tick(channels);
    });

  process.on('message', async (command: Command) => {
    if (command.op === 'run') reply({ re: 'run', ...(await run(command.channels ?? 1, command.ticks ?? 1)) });
    if (command.op === 'rss') reply({ re: 'rss', rssBytes: await settledRss() });
    if (command.op === 'stop') {
      control?.destroy();
      process.exit(0);
    }
  });
  process.on('disconnect', () => process.exit(0));
  reply({ re: 'ready', port, controlPort, dialect: server.dialect });
}

function reply(message: object): void {
  process.send?.(message);
}

async function settledRss(): Promise<number> {
  for (let i = 0; i < 5; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage.rss();
}

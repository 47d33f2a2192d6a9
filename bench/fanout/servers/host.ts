/**
 * Runs one server under test as a process of its own and obeys the runner over IPC. A server is a module that calls
 * `host({...})`; `node --expose-gc --import tsx servers/<name>.ts` prints its port and answers:
 *   {op:'run', channels, ticks, clients}  ticks in a closed loop, one outstanding → {cpuMicros, wallMicros}
 *   {op:'rss'}                            after forced collection → {rssBytes}
 *   {op:'stop'}
 */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';

export interface ServerUnderTest {
  /** Listens on a free port of 127.0.0.1. */
  listen(): Promise<number>;
  /** Sends one message of 180 bytes (or the server's own message of about that size) on each of channels 0 … count − 1, in one turn. */
  tick(count: number): void;
  /** Peer dialect of dialects.ts. */
  readonly dialect: string;
}

interface Command {
  readonly op: 'run' | 'rss' | 'stop';
  readonly channels?: number;
  readonly ticks?: number;
}

export const PAYLOAD = JSON.stringify({ m: 'x'.repeat(172) });

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

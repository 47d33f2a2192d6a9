/**
 * The Binance-compatible surface: CPU a delivery against the native dialect (target ≤ 1.1), and klines of 500 candles, hot, in requests a
 * second of server CPU against a bare uWebSockets.js that answers the same prepared bytes (target ≥ 0.5), and cold, one at a time, against the
 * bare query (reported). The cold ones ask the built server: `npm run build` before.
 *   node --import tsx bench/binance.ts [--rounds 5] [--clients 1000] [--seconds 4] [--json]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cold } from './binance/cold.js';
import { BODY, PATH } from './binance/servers/sample.js';
import { capacity } from './fanout/modes.js';
import { report, rounds } from './support/rounds.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '4' },
    json: { type: 'boolean', default: false },
  },
});
const DELIVERIES = 1_000_000;
const CONNECTIONS = 16;
const SERVER_CORE = '0';
const LOAD_CORE = '1';

interface Load {
  readonly requests: { readonly total: number };
  readonly non2xx: number;
  readonly errors: number;
}

/** It comes without types. */
const autocannon = createRequire(import.meta.url)('autocannon') as (options: {
  url: string;
  connections: number;
  duration: number;
}) => Promise<Load>;

/** One update to every client a tick. */
async function delivery(server: string): Promise<number> {
  const clients = Number(values.clients);
  const load = { clients, channels: 1, channelsPerClient: 1 };
  return (await capacity(server, load, Math.ceil(DELIVERIES / clients))).microsPerDelivery;
}

/** Requests a second of server CPU: what a fully busy core would answer, also where the load could ask no faster. */
async function klines(server: string): Promise<number> {
  const file = fileURLToPath(new URL(`./binance/servers/${server}.ts`, import.meta.url));
  const child = spawn('taskset', ['-c', SERVER_CORE, process.execPath, '--import', 'tsx', file], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  try {
    const [{ port }] = (await once(child, 'message')) as [{ port: number }];
    const url = `http://127.0.0.1:${port}${PATH}`;
    const body = await (await fetch(url)).text();
    if (body.length !== BODY.length) throw new Error(`${server} answers ${body.length} bytes of ${BODY.length}`);
    await autocannon({ url, connections: CONNECTIONS, duration: 1 });
    const before = await cpuMicros(child);
    const { requests, non2xx, errors } = await autocannon({
      url,
      connections: CONNECTIONS,
      duration: Number(values.seconds),
    });
    if (non2xx + errors > 0) throw new Error(`${server}: ${non2xx + errors} failures`);
    return (requests.total / ((await cpuMicros(child)) - before)) * 1e6;
  } finally {
    child.kill('SIGKILL');
  }
}

async function cpuMicros(child: ChildProcess): Promise<number> {
  const answer = once(child, 'message');
  child.send({ op: 'cpu' });
  const [{ cpuMicros: used }] = (await answer) as [{ cpuMicros: number }];
  return used;
}

// The load has a core of its own, as in bench/fanout.
spawnSync('taskset', ['-cp', LOAD_CORE, String(process.pid)]);
const count = Number(values.rounds);
report('A delivery', await rounds(count, { native: () => delivery('ours'), binance: () => delivery('ours-binance') }), {
  unit: 'µs of CPU',
  ratios: [['binance', 'native', 1.1]],
  below: true,
});
report('klines of 500 candles, hot', await rounds(count, { bare: () => klines('bare'), ours: () => klines('ours') }), {
  unit: 'requests/s',
  ratios: [['ours', 'bare', 0.5]],
});
const stored = await cold(Number(values.seconds));
report('klines of 500 candles, cold', await rounds(count, stored.contenders), {
  unit: 'requests/s',
  ratios: [['ours', 'bare', null]],
});
for (const [name, ms] of Object.entries(stored.medianMs()))
  process.stdout.write(`  ${name.padEnd(24)} median latency ${ms.toFixed(2)} ms\n`);
await stored.stop();
process.exit(0);

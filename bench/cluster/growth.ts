/** What a cluster costs as symbols and gateways grow: CPU of every part, and how long the edge of a minute takes. */
import type { Server } from '../../test/support/server.js';
import { median } from '../support/rounds.js';
import { Audience, channels } from './load/audience.js';
import { Pusher, symbolNames } from './load/pusher.js';
import { cpuSeconds, residentBytes } from './machine.js';
import { Cluster, metricsOf, until } from './nodes.js';
import { pause } from './time.js';

const PERIOD_MS = 250;
const WINDOWS = 5;
const MINUTE_MS = 60_000;
const GRACE_MS = 2000;

export interface GrowthOptions {
  readonly seconds: number;
  readonly symbols: readonly number[];
  readonly gateways: readonly number[];
  /** Of the runs in which gateways grow. */
  readonly symbolsPerGateway: number;
}

export async function growth({ seconds, symbols, gateways, symbolsPerGateway }: GrowthOptions): Promise<void> {
  process.stdout.write(
    `\nGrowth: 4 trades/s of every symbol pushed, their 1m channels in demand on every gateway; ` +
      `CPU in % of a core, median of ${WINDOWS} windows of ${seconds} s\n`,
  );
  for (const count of symbols) await measure(count, 1, seconds);
  for (const count of gateways) await measure(symbolsPerGateway, count, seconds);
}

async function measure(symbolCount: number, gatewayCount: number, seconds: number): Promise<void> {
  const cluster = await Cluster.start();
  try {
    const ingest = await cluster.node('ingest');
    const gateways: Server[] = [];
    while (gateways.length < gatewayCount) gateways.push(await cluster.node('gateway'));
    await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
    const symbols = symbolNames(symbolCount);
    const pusher = new Pusher(ingest, symbols);
    await pusher.tick(Date.now());
    pusher.start(PERIOD_MS);
    const audiences = await Promise.all(gateways.map(({ port }) => Audience.of(port, channels(symbols, ['1m']))));
    await pause(5000);
    const parts = {
      ingest: [ingest.child.pid],
      redis: [cluster.redis.pid],
      gateway: gateways.map(({ child }) => child.pid),
      database: [cluster.database.child.pid],
    };
    const shares: Record<string, number[]> = {};
    const received = audiences[0]?.updates ?? 0;
    const began = performance.now();
    for (let i = 0; i < WINDOWS; i++) {
      const before = Object.values(parts).map(sum);
      const from = performance.now();
      await pause(seconds * 1000);
      const took = (performance.now() - from) / 1000;
      Object.entries(parts).forEach(([name, pids], at) => {
        const share = ((sum(pids) - (before[at] ?? 0)) / took / pids.length) * 100;
        shares[name] = [...(shares[name] ?? []), share];
      });
    }
    const rate = ((audiences[0]?.updates ?? 0) - received) / ((performance.now() - began) / 1000);
    const edges = [await edge(audiences, symbolCount), await edge(audiences, symbolCount)];
    pusher.stop();
    const cpu = Object.entries(shares).map(([name, values]) => `${name} ${median(values).toFixed(1)}`);
    const resident = Object.entries(parts).map(
      ([name, [pid = 0]]) => `${name} ${Math.round(residentBytes(pid) / 2 ** 20)}`,
    );
    process.stdout.write(
      `  ${symbolCount} symbols, ${gatewayCount} gateways: ${rate.toFixed(0)} updates/s a gateway; CPU ${cpu.join(', ')} (each); ` +
        `MB ${resident.join(', ')}; a minute's closes at all clients after its end and grace: ${edges.join('; ')}` +
        `${pusher.late > 0 ? `; ${pusher.late} pushes LATE` : ''}\n`,
    );
    for (const audience of audiences) audience.close();
  } finally {
    await cluster.stop();
  }
}

function sum(pids: readonly (number | undefined)[]): number {
  return pids.reduce<number>((total, pid) => total + cpuSeconds(pid), 0);
}

/** From the end of the grace to the first and to the last closed candle, of all symbols at all gateways. */
async function edge(audiences: readonly Audience[], symbolCount: number): Promise<string> {
  const end = Math.ceil((Date.now() + 1000 - GRACE_MS) / MINUTE_MS) * MINUTE_MS + GRACE_MS;
  await pause(end - Date.now() - 100);
  for (const audience of audiences) audience.closed = [];
  await until(() => audiences.every(({ closed }) => closed.length >= symbolCount), 20, 30_000);
  const times = audiences.flatMap(({ closed }) => closed.slice(0, symbolCount));
  const at = times.map((time) => time - end);
  return `${Math.min(...at)} … ${Math.max(...at)} ms`;
}

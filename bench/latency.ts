// Latency from a trade in to the update out at every subscriber: the whole path against a bare TCP → uWebSockets.js
// relay of frames of the same size, in interleaved rounds, open loop. See README.md.
import { Worker } from './fanout/process.js';
import { report, rounds } from './support/rounds.js';

const ROUNDS = 5;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4);
/** About half of what one core delivers in strict fan-out (4–6 µs a delivery). */
const LOADS = [
  { clients: 50, ratePerSecond: 1000 },
  { clients: 1000, ratePerSecond: 80 },
];

async function measure(server: 'bare' | 'ours', clients: number, ratePerSecond: number) {
  const target = new Worker(`../latency/servers/${server}.ts`, 0);
  const load = new Worker('../latency/client.ts', 1);
  try {
    const { port, inletPort } = await target.ask('ready');
    const before = Number((await target.ask('cpu', { op: 'cpu' })).micros);
    const command = {
      op: 'run',
      port,
      inletPort,
      subscribe: server === 'ours',
      clients,
      ratePerSecond,
      seconds: SECONDS,
    };
    const result = await load.ask('done', command);
    const busy = (Number((await target.ask('cpu', { op: 'cpu' })).micros) - before) / ((SECONDS + 1) * 1e6);
    const share = (Number(result.deliveries) / Number(result.expected)) * 100;
    process.stdout.write(
      `  ${server.padEnd(5)} p50 ${result.p50} p99 ${result.p99} max ${result.max} µs; generator p99 late ${result.lateness} µs; ` +
        `${share.toFixed(1)} % of trades seen one by one; server busy ${Math.round(busy * 100)} %\n`,
    );
    return { p50: Number(result.p50), p99: Number(result.p99) };
  } finally {
    await load.stop();
    await target.stop();
  }
}

for (const { clients, ratePerSecond } of LOADS) {
  process.stdout.write(`\n${clients} subscribers, ${ratePerSecond} trades/s\n`);
  const p50: Record<string, number[]> = { ours: [], bare: [] };
  const results = await rounds(ROUNDS, {
    ours: async () => {
      const figures = await measure('ours', clients, ratePerSecond);
      p50.ours?.push(figures.p50);
      return figures.p99;
    },
    bare: async () => {
      const figures = await measure('bare', clients, ratePerSecond);
      p50.bare?.push(figures.p50);
      return figures.p99;
    },
  });
  report(`latency p99, ${clients} subscribers`, results, { unit: 'µs', ratios: [['ours', 'bare', 1.3]], below: true });
  // The first round does not count.
  for (const figures of Object.values(p50)) figures.shift();
  report(`latency p50, ${clients} subscribers`, p50, { unit: 'µs', ratios: [['ours', 'bare', null]], below: true });
}

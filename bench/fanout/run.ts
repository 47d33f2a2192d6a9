/**
 * Fan-out of ours against a bare uWebSockets.js app, `ws` and Socket.IO. See README.md beside this file.
 *   node --import tsx bench/fanout/run.ts [--mode strict|tick|memory|cost|all] [--servers bare,ours,…] [--rounds 5]
 *     [--clients 200,1000,5000] [--tick-clients 1000] [--memory-clients 5000] [--deliveries 1000000] [--json]
 */
import { parseArgs } from 'node:util';
import { cost, type Watch } from './cost.js';
import { type Capacity, capacity, type Load, memory } from './modes.js';
import { median, type Round, summarize } from './summary.js';

const FLOOR = 'bare';
const COST_TARGET = 1.02;
const { values } = parseArgs({
  options: {
    mode: { type: 'string', default: 'all' },
    servers: { type: 'string', default: 'bare,ours,ws,socketio' },
    rounds: { type: 'string', default: '5' },
    clients: { type: 'string', default: '200,1000,5000' },
    'tick-clients': { type: 'string', default: '1000' },
    'memory-clients': { type: 'string', default: '5000' },
    deliveries: { type: 'string', default: '1000000' },
    json: { type: 'boolean', default: false },
  },
});

const servers = values.servers.split(',');
const rounds = Number(values.rounds);
const results: object[] = [];

if (wants('strict')) {
  for (const clients of values.clients.split(',').map(Number)) {
    const load = { clients, channels: 1, channelsPerClient: 1 };
    await compare(
      `strict fan-out, ${clients} clients, µs of server CPU a delivery (less is better)`,
      'lower',
      async (name) => {
        const result = await run(name, load);
        return { value: result.microsPerDelivery, notes: describe(result, false) };
      },
    );
  }
}
if (wants('tick')) {
  const load = { clients: Number(values['tick-clients']), channels: 200, channelsPerClient: 10 };
  await compare(
    `tick fan-out, ${load.clients} clients, deliveries a second of server core (more is better)`,
    'higher',
    async (name) => {
      const result = await run(name, load);
      return { value: result.deliveriesPerCoreSecond, notes: describe(result, true) };
    },
  );
}
if (wants('memory')) {
  const load = { clients: Number(values['memory-clients']), channels: 200, channelsPerClient: 10 };
  await compare(
    `memory, ${load.clients} idle connections with 10 channels, bytes each (less is better)`,
    'lower',
    async (name) => ({
      value: await memory(name, load),
      notes: '',
    }),
  );
}
if (wants('cost')) {
  const load = { clients: Number(values['tick-clients']), channels: 200, channelsPerClient: 10 };
  const ticks = Math.max(5, Math.round(Number(values.deliveries) / (load.clients * load.channelsPerClient)));
  await reportCost(load, ticks);
}
if (values.json) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);

/** A round is one segment of each. */
async function reportCost(load: Load, ticks: number): Promise<void> {
  const title = `cost of being watched, tick fan-out, ${load.clients} clients, µs of server CPU a delivery`;
  say(`\n${title}`);
  const all = await cost(load, ticks, rounds * 4);
  for (const watch of ['plain', 'scraped', 'traced'] as const) {
    const figures = all.map((round) => round[watch]);
    const ratios = all.map((round) => round[watch] / round.plain);
    const range = `${Math.min(...ratios).toFixed(3)}–${Math.max(...ratios).toFixed(3)}`;
    say(
      `  ${watch.padEnd(15)} median ${format(median(figures)).padStart(12)}  ${median(ratios).toFixed(3)} × plain (${range})`,
    );
  }
  const met = (['scraped', 'traced'] satisfies Watch[]).every(
    (watch) => median(all.map((round) => round[watch] / round.plain)) <= COST_TARGET,
  );
  say(`  target ≤ ${COST_TARGET}: ${met ? 'met' : 'MISSED'}`);
  results.push({ title, better: 'lower', rounds: all });
}

function wants(mode: string): boolean {
  return values.mode === 'all' || values.mode === mode;
}

function run(name: string, load: Load): Promise<Capacity> {
  const perTick = load.clients * load.channelsPerClient;
  return capacity(name, load, Math.max(5, Math.round(Number(values.deliveries) / perTick)));
}

function describe(result: Capacity, isCapacity: boolean): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`;
  const valid = result.serverBusy >= 0.9 && result.clientBusy <= 0.95;
  const verdict = !isCapacity || valid ? '' : ' INVALID as capacity (server < 90 % or client > 95 %)';
  return (
    `server ${percent(result.serverBusy)} client ${percent(result.clientBusy)}, ${result.framesPerRead.toFixed(1)} frames a read, ` +
    `${format(result.deliveriesPerSecond)}/s by the clock, ${result.bytesPerDelivery.toFixed(0)} B and ${result.microsPerDelivery.toFixed(2)} µs a delivery${verdict}`
  );
}

/** Interleaved rounds, the order turning by one each round, so that drift of the machine hits all alike. */
async function compare(
  title: string,
  better: 'lower' | 'higher',
  measure: (name: string) => Promise<{ value: number; notes: string }>,
): Promise<void> {
  say(`\n${title}`);
  const all: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const figures: Record<string, number> = {};
    for (let i = 0; i < servers.length; i++) {
      const name = servers[(i + round) % servers.length] ?? FLOOR;
      const { value, notes } = await measure(name);
      figures[name] = value;
      say(`  round ${round + 1} ${name.padEnd(15)} ${format(value).padStart(12)}  ${notes}`);
    }
    all.push(figures);
  }
  const summary = summarize(all, FLOOR);
  results.push({ title, better, rounds: all, ...summary });
  if (summary.voidRounds > 0) say(`  ${summary.voidRounds} round(s) void: ${FLOOR} more than 25 % off its median`);
  for (const [name, row] of Object.entries(summary.servers)) {
    const ratio =
      row.ratio === null
        ? ''
        : `  ${row.ratio.median.toFixed(3)} × ${FLOOR} (${row.ratio.min.toFixed(3)}–${row.ratio.max.toFixed(3)})`;
    say(`  ${name.padEnd(15)} median ${format(median(row.values)).padStart(12)}${ratio}`);
  }
}

function format(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

/** With --json standard output is JSON alone. */
function say(line: string): void {
  (values.json ? process.stderr : process.stdout).write(`${line}\n`);
}

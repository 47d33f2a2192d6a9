/**
 * Trade in → Redis → another node → every socket: ours against a bare ioredis publisher and a bare ioredis → uWebSockets.js
 * relay of the same frames, with all processes alive throughout and one of them measured at a time.
 */
import { Worker } from '../fanout/process.js';
import { type Results, report } from '../support/rounds.js';
import { cpuSeconds, pin } from './machine.js';
import { Cluster, metricsOf, until } from './nodes.js';
import { nowMicros, pause } from './time.js';

const NODES_CORE = 0;
const LOAD_CORE = 1;
const TARGET = 1.3;
/** V8 has compiled everything by then. */
const WARM_UP = { clients: 20, ratePerSecond: 1500, seconds: 8 };
const FLOOR_TOLERANCE = 0.25;

export interface LatencyOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly clients: number;
  readonly rates: readonly number[];
}

interface Contender {
  readonly symbol: string;
  readonly inletPort?: number;
  readonly httpPort?: number;
  readonly port: number;
  readonly channel: string | null;
  /** Its ingest side and its gateway. */
  readonly pids: readonly (number | undefined)[];
}

interface Figures {
  readonly p50: number;
  readonly p99: number;
  /** To the answer of the POST. */
  readonly answerP50: number;
  readonly answerP99: number;
}

export async function latency(options: LatencyOptions): Promise<void> {
  const cluster = await Cluster.start();
  try {
    const contenders = await start(cluster);
    for (const [name, contender] of Object.entries(contenders)) await measure(name, contender, WARM_UP, false);
    for (const ratePerSecond of options.rates) await compare(contenders, options, ratePerSecond);
  } finally {
    await cluster.stop();
  }
}

async function start(cluster: Cluster): Promise<Readonly<Record<string, Contender>>> {
  const { redis, database } = cluster;
  pin(redis.pid, NODES_CORE);
  pin(database.child.pid, LOAD_CORE);
  const gateway = await cluster.node('gateway');
  const ingest = await cluster.node('ingest', { COALESCE_MS: '0' });
  for (const { child } of [gateway, ingest]) pin(child.pid, NODES_CORE);
  await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
  await fetch(`${ingest.url}/v1/trades`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([{ symbol: 'POSTED', id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' }]),
  });
  const worker = async (file: string, command: object) => {
    const one = new Worker(`../cluster/servers/${file}.ts`, NODES_CORE);
    cluster.keep(() => one.stop());
    return await one.ask('ready', { url: redis.url, ...command });
  };
  const pipeline = await worker('ingest', { symbol: 'BENCH' });
  const publisher = await worker('bare-publisher', { channel: 'bare' });
  const relay = await worker('bare-relay', { channel: 'bare' });
  const gatewayPid = gateway.child.pid;
  return {
    bare: {
      symbol: 'BENCH',
      inletPort: Number(publisher.inletPort),
      port: Number(relay.port),
      channel: null,
      pids: [Number(publisher.pid), Number(relay.pid)],
    },
    ours: {
      symbol: 'BENCH',
      inletPort: Number(pipeline.inletPort),
      port: gateway.port,
      channel: 'candles:BENCH:1m',
      pids: [Number(pipeline.pid), gatewayPid],
    },
    'ours from POST': {
      symbol: 'POSTED',
      httpPort: ingest.port,
      port: gateway.port,
      channel: 'candles:POSTED:1m',
      pids: [ingest.child.pid, gatewayPid],
    },
  };
}

async function measure(
  name: string,
  { symbol, inletPort, httpPort, port, channel, pids }: Contender,
  { clients, ratePerSecond, seconds }: { clients: number; ratePerSecond: number; seconds: number },
  says = true,
): Promise<Figures> {
  const generator = new Worker('../cluster/load/generator.ts', LOAD_CORE);
  const receiver = new Worker('../cluster/load/receiver.ts', LOAD_CORE);
  try {
    await receiver.ask('connected', { op: 'connect', port, channel, clients });
    const beginMicros = nowMicros() + 1_000_000;
    const measureMicros = beginMicros + 2e6;
    await receiver.ask('measuring', { op: 'measure', measureMicros });
    const endMicros = measureMicros + seconds * 1e6;
    const before = pids.map(cpuSeconds);
    const from = nowMicros();
    const schedule = { inletPort, httpPort, symbol, ratePerSecond, beginMicros, measureMicros, endMicros };
    const sent = await generator.ask('done', { op: 'run', ...schedule });
    await pause(500);
    const result = await receiver.ask('result', { op: 'result' });
    const took = (nowMicros() - from) / 1e6;
    const busy = pids.map((pid, i) => `${Math.round(((cpuSeconds(pid) - (before[i] ?? 0)) / took) * 100)} %`);
    const share = (Number(result.count) / (Number(sent.trades) * clients)) * 100;
    const bytes = Number(result.bytes) / (((endMicros - beginMicros) / 1e6) * ratePerSecond * clients);
    if (says)
      process.stdout.write(
        `  ${name.padEnd(14)} p50 ${result.p50} p99 ${result.p99} max ${result.max} µs; generator late p50 ${Math.round(Number(sent.lateP50))} p99 ${Math.round(Number(sent.lateP99))} µs; ` +
          `${share.toFixed(1)} % of ${Number(sent.trades) * clients} seen, ${bytes.toFixed(0)} B each; busy: ingest, gateway ${busy.join(', ')}, ` +
          `receiver ${Math.round(Number(result.cpuMicros) / 1e4 / took)} %\n`,
      );
    return {
      p50: Number(result.p50),
      p99: Number(result.p99),
      answerP50: Number(sent.answerP50),
      answerP99: Number(sent.answerP99),
    };
  } finally {
    await receiver.stop();
    await generator.stop();
  }
}

async function compare(
  contenders: Readonly<Record<string, Contender>>,
  { rounds, seconds, clients }: LatencyOptions,
  ratePerSecond: number,
): Promise<void> {
  process.stdout.write(`\n${clients} sockets, ${ratePerSecond} trades/s\n`);
  const names = Object.keys(contenders);
  const all: Record<string, Figures>[] = [];
  for (let round = 0; round < rounds; round++) {
    const figures: Record<string, Figures> = {};
    for (let i = 0; i < names.length; i++) {
      const name = names[(i + round) % names.length] ?? '';
      const contender = contenders[name];
      if (contender !== undefined) figures[name] = await measure(name, contender, { clients, ratePerSecond, seconds });
    }
    all.push(figures);
  }
  const valid = all.filter((figures) => isValid(figures, all));
  process.stdout.write(`  ${valid.length} of ${rounds} rounds valid (p50 of the floor within 25 % of its median)\n`);
  const column = (pick: (figures: Figures) => number): Results =>
    Object.fromEntries(names.map((name) => [name, valid.map((round) => pick(round[name] ?? NONE))]));
  const ratios = [
    ['ours', 'bare', TARGET],
    ['ours from POST', 'bare', null],
  ] as const;
  const title = (q: string) => `trade → Redis → other node → ${clients} sockets at ${ratePerSecond}/s, ${q}`;
  report(
    title('p99'),
    column(({ p99 }) => p99),
    { unit: 'µs', ratios, below: true },
  );
  const anyRatio = ratios.map(([top, bottom]) => [top, bottom, null] as const);
  report(
    title('p50'),
    column(({ p50 }) => p50),
    { unit: 'µs', ratios: anyRatio, below: true },
  );
  const posted = valid.map((figures) => figures['ours from POST'] ?? NONE);
  const answers = { 'answer p50': posted.map((f) => f.answerP50), 'answer p99': posted.map((f) => f.answerP99) };
  report('POST to its answer (durable)', answers, { unit: 'µs', ratios: [] });
}

const NONE: Figures = { p50: Number.NaN, p99: Number.NaN, answerP50: Number.NaN, answerP99: Number.NaN };

function isValid(
  figures: Readonly<Record<string, Figures>>,
  all: readonly Readonly<Record<string, Figures>>[],
): boolean {
  const sorted = all.map((round) => round.bare?.p50 ?? Number.NaN).sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1] ?? Number.NaN;
  return Math.abs((figures.bare?.p50 ?? Number.NaN) / middle - 1) <= FLOOR_TOLERANCE;
}

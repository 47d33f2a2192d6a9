import { type Reply, Worker } from './process.js';

const SERVER_CORE = 0;
const CLIENT_CORE = 1;
const SETTLE_MS = 300;
/** So many have been published before it counts: a server is compiled after its first second and runs for weeks. */
const WARMUP_MESSAGES = 20_000;

export interface Load {
  readonly clients: number;
  readonly channels: number;
  readonly channelsPerClient: number;
}

export interface Capacity {
  readonly deliveries: number;
  /** Server CPU. */
  readonly microsPerDelivery: number;
  readonly deliveriesPerSecond: number;
  /** What a fully busy core would deliver. */
  readonly deliveriesPerCoreSecond: number;
  readonly serverBusy: number;
  readonly clientBusy: number;
  readonly framesPerRead: number;
  readonly bytesPerDelivery: number;
}

/** Closed loop, one tick outstanding: the next starts when every delivery of this one has been counted. */
export async function capacity(name: string, load: Load, ticks: number): Promise<Capacity> {
  return withPair(name, [], async (server, client, ready) => {
    await client.ask('connected', connectCommand(ready, load));
    await pause();
    const deliveries = load.clients * load.channelsPerClient;
    const warmup = Math.min(ticks, Math.max(Math.ceil(ticks / 10), Math.ceil(WARMUP_MESSAGES / load.channels)));
    await measure(server, client, load, deliveries, warmup);
    const { run, report } = await measure(server, client, load, deliveries, ticks);
    const total = deliveries * ticks;
    if (num(report, 'frames') !== total) throw new Error(`${name}: ${report.frames} frames of ${total}`);
    return {
      deliveries: total,
      microsPerDelivery: num(run, 'cpuMicros') / total,
      deliveriesPerSecond: (total / num(run, 'wallMicros')) * 1e6,
      deliveriesPerCoreSecond: (total / num(run, 'cpuMicros')) * 1e6,
      serverBusy: num(run, 'cpuMicros') / num(run, 'wallMicros'),
      clientBusy: num(report, 'cpuMicros') / num(report, 'wallMicros'),
      framesPerRead: total / num(report, 'reads'),
      bytesPerDelivery: num(report, 'bytes') / total,
    };
  });
}

async function measure(server: Worker, client: Worker, load: Load, deliveries: number, ticks: number) {
  await client.ask('armed', { op: 'expect', deliveries });
  const run = await server.ask('run', { op: 'run', channels: load.channels, ticks });
  return { run, report: await client.ask('report', { op: 'report' }) };
}

/** Its slack, which grows by bursts of garbage, would hide what a connection costs. */
const SMALL_YOUNG_GENERATION = ['--max-semi-space-size=2'];

/** Bytes of resident memory of the server per idle connection. */
export async function memory(name: string, load: Load): Promise<number> {
  return withPair(name, SMALL_YOUNG_GENERATION, async (server, client, ready) => {
    // As many before pay for code, pools and the young generation of the heap, which are not the connections' own.
    await client.ask('connected', connectCommand(ready, load));
    await pause();
    const before = num(await server.ask('rss', { op: 'rss' }), 'rssBytes');
    await client.ask('connected', connectCommand(ready, load));
    await pause();
    const after = num(await server.ask('rss', { op: 'rss' }), 'rssBytes');
    return (after - before) / load.clients;
  });
}

export type Ticks = number;

/** A server with its clients connected, which can be measured again and again. */
export interface Pair {
  readonly port: number;
  microsPerDelivery(ticks: Ticks): Promise<number>;
  stop(): Promise<void>;
}

export async function startPair(
  name: string,
  load: Load,
  nodeOptions: readonly string[],
  args: readonly string[],
): Promise<Pair> {
  const server = new Worker(`./servers/${name}.ts`, SERVER_CORE, nodeOptions, args);
  const client = new Worker('./client.ts', CLIENT_CORE);
  const ready = await server.ask('ready');
  await client.ask('connected', connectCommand(ready, load));
  const deliveries = load.clients * load.channelsPerClient;
  return {
    port: num(ready, 'port'),
    microsPerDelivery: async (ticks) => {
      const { run, report } = await measure(server, client, load, deliveries, ticks);
      if (num(report, 'frames') !== deliveries * ticks) throw new Error(`${name}: frames are missing`);
      return num(run, 'cpuMicros') / (deliveries * ticks);
    },
    stop: async () => {
      await client.stop();
      await server.stop();
    },
  };
}

async function withPair<R>(
  name: string,
  nodeOptions: readonly string[],
  use: (server: Worker, client: Worker, ready: Reply) => Promise<R>,
): Promise<R> {
  const server = new Worker(`./servers/${name}.ts`, SERVER_CORE, nodeOptions);
  const client = new Worker('./client.ts', CLIENT_CORE);
  try {
    return await use(server, client, await server.ask('ready'));
  } finally {
    await client.stop();
    await server.stop();
  }
}

function connectCommand(ready: Reply, load: Load): object {
  const { port, controlPort, dialect } = ready;
  return { op: 'connect', port, controlPort, dialect, ...load };
}

function num(reply: Reply, key: string): number {
  return Number(reply[key]);
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

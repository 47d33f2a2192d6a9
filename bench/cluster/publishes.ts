/** How often one lively symbol is published with more and more of its channels in demand, and what Redis is asked besides. */
import { Audience, channels, intervals } from './load/audience.js';
import { Pusher } from './load/pusher.js';
import { Cluster, metricsOf, until } from './nodes.js';
import { pause } from './time.js';

const DEMANDS = [1, 3, 15];
/** A trade each: more than one in every period of coalescing. */
const PERIOD_MS = 50;
const SYMBOL = 'LIVELY';

export async function publishes({ seconds }: { seconds: number }): Promise<void> {
  process.stdout.write(`\nRedis publishes, one symbol with ${1000 / PERIOD_MS} trades/s, COALESCE_MS 250\n`);
  const cluster = await Cluster.start();
  try {
    const ingest = await cluster.node('ingest');
    const gateway = await cluster.node('gateway');
    await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
    const pusher = new Pusher(ingest, [SYMBOL]);
    await pusher.tick(Date.now());
    pusher.start(PERIOD_MS);
    for (const demand of DEMANDS) {
      const audience = await Audience.of(gateway.port, channels([SYMBOL], intervals(demand)));
      await pause(3000);
      const before = { messages: await messages(ingest), calls: await calls(cluster) };
      await pause(seconds * 1000);
      const after = { messages: await messages(ingest), calls: await calls(cluster) };
      const rate = (after.messages - before.messages) / seconds;
      process.stdout.write(
        `  ${demand} channels in demand: ${rate.toFixed(2)} messages/s, ${(rate / demand).toFixed(2)} a channel; ` +
          `commands/s: ${rates(before.calls, after.calls, seconds)}\n`,
      );
      audience.close();
      // What nobody listens to any more is let go of after a while.
      await pause(7000);
    }
    pusher.stop();
  } finally {
    await cluster.stop();
  }
}

async function messages(ingest: Parameters<typeof metricsOf>[0]): Promise<number> {
  return (await metricsOf(ingest)).get('bus_published_messages_total') ?? Number.NaN;
}

async function calls({ redis }: Cluster): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (const line of (await redis.cli('INFO', 'commandstats')).split('\n')) {
    const [, name, count] = /^cmdstat_([^:]+):calls=(\d+)/.exec(line) ?? [];
    if (name !== undefined) found.set(name, Number(count));
  }
  return found;
}

function rates(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>, seconds: number): string {
  return [...after]
    .map(([name, count]) => [name, (count - (before.get(name) ?? 0)) / seconds] as const)
    .filter(([name, rate]) => rate >= 0.5 && name !== 'info')
    .sort((a, b) => b[1] - a[1])
    .map(([name, rate]) => `${name} ${rate.toFixed(1)}`)
    .join(', ');
}

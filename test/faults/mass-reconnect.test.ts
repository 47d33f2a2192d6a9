import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { cutClients } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const CLIENTS = times(300, 2000);
const ROUNDS = full ? 3 : 1;
const LIMIT_MS = 60_000;
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

it(`${CLIENTS} clients cut at once`, { timeout: 300_000 }, async () => {
  explainFailure('mass-reconnect', () => cluster);
  cluster = await Cluster.start({ ingest: 1, gateways: 2, symbols: ['AAA', 'BBB'], speed: 60 });
  const channels = cluster.channels('1m:closed', '5m:closed');
  crowd = await Crowd.join(cluster, seed, { clients: CLIENTS, channels, keeps: false });
  await within(LIMIT_MS, 'candles come', crowd.advance(1));
  const back = new Distribution();
  const reads = await historyReads(cluster);
  for (let round = 0; round < ROUNDS; round++) await cutClients(crowd, back);
  await report('all clients cut at once', { 'ms until caught up': back, clients: CLIENTS });
  await crowd.expectTruth();
  // On each gateway and each time at most one a channel.
  expect((await historyReads(cluster)) - reads).toBeLessThanOrEqual(channels.length * cluster.gateways.length * ROUNDS);
  if (full) expect(back.percentile(100)).toBeLessThanOrEqual(5000);
});

async function historyReads({ gateways }: Cluster): Promise<number> {
  const counts = await Promise.all(gateways.map((gateway) => gateway.metric('history_reads_total')));
  return counts.reduce((sum, count) => sum + count, 0);
}

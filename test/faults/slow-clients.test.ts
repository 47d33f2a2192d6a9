import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { LatencyProbe } from './kit/latency-probe.js';
import { Distribution, report } from './kit/measure.js';
import { stallClients } from './kit/rounds.js';
import { explainFailure, full, seed } from './kit/scenario.js';

const CLIENTS = full ? 500 : 60;
const QUIET_MS = full ? 20_000 : 2_000;
/** Longer than the server waits for a pong; in full, than it waits for a laggard to read. */
const STALLED_MS = full ? 60_000 : 12_000;
const LIVE_RATIO_MAX = 1.25;
/** "You read too slowly", and the cut of a connection whose buffer is full. */
const TOLD = [4001, 1006];
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;
let probe: LatencyProbe | undefined;

afterEach(async () => {
  probe?.stop();
  crowd?.leave();
  await cluster?.stop();
});

it('10 % of the clients stop reading', { timeout: 300_000 }, async () => {
  explainFailure('slow-clients', () => cluster);
  const symbols = ['AAA', 'BBB', 'CCC', 'DDD'];
  const env = { COALESCE_MS: '0' };
  cluster = await Cluster.start({ ingest: 1, gateways: 1, symbols, speed: 60, moreFeeds: ['push'], env });
  crowd = await Crowd.join(cluster, seed, { clients: CLIENTS, channels: cluster.channels('1m', '5m'), keeps: false });
  probe = await LatencyProbe.start(cluster, 10);
  const quiet = new Distribution();
  const during = new Distribution();
  await probe.run(QUIET_MS, quiet);
  const live = probe;
  const stalled = crowd.clients.slice(0, CLIENTS / 10);
  await stallClients(crowd, stalled.length, () => live.run(STALLED_MS, during));
  const ratio = Math.round((during.percentile(99) / quiet.percentile(99)) * 100) / 100;
  const closes = crowd.clients.map((client) => client.closes.map(({ code }) => code));
  const resyncs = stalled.flatMap((client) => [...client.channels.values()].map((channel) => channel.resyncs));
  await report('10 % stop reading', {
    'ms live before': quiet,
    'ms live meanwhile': during,
    'p99 meanwhile / before': ratio,
    resyncs: resyncs.reduce((sum, count) => sum + count, 0),
    'closed as too slow': closes.flat().length,
  });
  expect(closes.slice(CLIENTS / 10).flat()).toEqual([]);
  expect(closes.flat().filter((code) => !TOLD.includes(code))).toEqual([]);
  await crowd.expectTruth();
  if (full) expect(ratio).toBeLessThanOrEqual(LIVE_RATIO_MAX);
});

import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { explainFailure, full, seed } from './kit/scenario.js';
import { within } from './kit/within.js';

const CALM_MS = full ? 120_000 : 4_000;
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

it('without a fault nothing has to be healed: every message comes, once', { timeout: 120_000 + CALM_MS }, async () => {
  explainFailure('no-fault', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 2, symbols: ['AAA', 'BBB', 'CCC', 'DDD'], speed: 120 });
  crowd = await Crowd.join(cluster, seed, { clients: 4, channels: cluster.channels('1m', '1m:closed', '5m', '1h') });
  const started = performance.now();
  await pause(CALM_MS);
  await within(20_000, 'candles come', crowd.advance(2));
  const channels = crowd.clients.flatMap((client) => [...client.channels.values()]);
  const arrivals = channels.flatMap((channel) => channel.arrivals.filter(({ atMs }) => atMs > started));
  expect(crowd.clients.flatMap(({ closes }) => closes)).toEqual([]);
  expect(arrivals.filter(({ kind }) => ['resync', 'stale', 'gap'].includes(kind))).toEqual([]);
  for (const gateway of cluster.gateways) expect(await gateway.metric('channel_heals_total')).toBe(0);
  await crowd.expectTruth();
});

import { afterEach, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { killIngest } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';

const KILLS = times(2, 100);
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;
let watch: PublishWatch | undefined;

afterEach(async () => {
  watch?.stop();
  crowd?.leave();
  await cluster?.stop();
});

it(`ingest kill -9 in mid-candle, ${KILLS} times: another takes over`, {
  timeout: 60_000 + KILLS * 30_000,
}, async () => {
  explainFailure('ingest-kill', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 1, symbols: ['AAA', 'BBB', 'CCC', 'DDD'], speed: 60 });
  watch = await PublishWatch.start(cluster.redis);
  crowd = await Crowd.join(cluster, seed, { clients: 2, channels: cluster.channels('1m', '1m:closed', '5m:closed') });
  const takeover = new Distribution();
  for (let kill = 0; kill < KILLS; kill++) await killIngest(cluster, crowd, kill % 2 === 1, takeover);
  await report('ingest kill -9', { 'ms until taken over': takeover, kills: KILLS });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
  if (full) expect(takeover.percentile(99)).toBeLessThanOrEqual(5000);
});

import { afterEach, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { freezeIngest } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';

const FREEZES = times(2, 50);
/** Each in a partition of its own. */
const SYMBOLS = ['AAA', 'BBB', 'CCC', 'DDD'];
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;
let watch: PublishWatch | undefined;

afterEach(async () => {
  watch?.stop();
  crowd?.leave();
  await cluster?.stop();
});

it(`ingest SIGSTOP past its lease, then SIGCONT, ${FREEZES} times: nothing of the old epoch is accepted`, {
  timeout: 60_000 + FREEZES * 30_000,
}, async () => {
  explainFailure('ingest-freeze', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 1, symbols: SYMBOLS, speed: 60 });
  watch = await PublishWatch.start(cluster.redis);
  crowd = await Crowd.join(cluster, seed, { clients: 2, channels: cluster.channels('1m', '1m:closed', '5m:closed') });
  const takeover = new Distribution();
  for (let freeze = 0; freeze < FREEZES; freeze++) await freezeIngest(cluster, crowd, SYMBOLS.length, takeover);
  await report('ingest SIGSTOP', { 'ms until taken over': takeover, freezes: FREEZES });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
  if (full) expect(takeover.percentile(99)).toBeLessThanOrEqual(5000);
});

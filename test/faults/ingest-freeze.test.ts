import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../app/support.js';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { ownerWithSymbols, untilNewEpoch } from './kit/ownership.js';
import { between } from './kit/random.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const FREEZES = times(2, 50);
/** Each in a partition of its own. */
const SYMBOLS = ['AAA', 'BBB', 'CCC', 'DDD'];
const TAKEOVER_MAX_MS = 20_000;
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
  const { random } = crowd;
  const takeover = new Distribution();
  for (let freeze = 0; freeze < FREEZES; freeze++) {
    await pause(between(random, 200, 1500));
    const { node, symbols } = await ownerWithSymbols(cluster, random);
    const started = performance.now();
    const taken = untilNewEpoch(crowd, symbols, (atMs) => takeover.add(atMs - started));
    node.freeze();
    try {
      await within(TAKEOVER_MAX_MS, `${symbols} of ${node.name} taken over`, taken);
      await pause(between(random, 0, 500));
    } finally {
      node.thaw();
    }
    // Both are awake now, and one of them is wrong about who it is.
    await pause(between(random, 500, 1500));
    const { ingest } = cluster;
    // Each partition has one owner again, by what the nodes themselves believe.
    await eventually(
      () => Promise.all(ingest.map((one) => one.metric('partitions_owned'))),
      (counts) => counts.reduce((sum, count) => sum + count, 0) === SYMBOLS.length,
      TAKEOVER_MAX_MS,
    );
  }
  await report('ingest SIGSTOP', { 'ms until taken over': takeover, freezes: FREEZES });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
  if (full) expect(takeover.percentile(99)).toBeLessThanOrEqual(5000);
});

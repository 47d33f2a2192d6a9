import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { ownerWithSymbols, untilNewEpoch } from './kit/ownership.js';
import { between } from './kit/random.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const KILLS = times(2, 100);
const TAKEOVER_MAX_MS = 20_000;
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
  for (let kill = 0; kill < KILLS; kill++) {
    await pause(between(crowd.random, 200, 1500));
    const behind = kill % 2 === 1;
    // Nobody can take a partition while the database is away: none may be on its way to another owner.
    if (behind) await cluster.settled();
    const { node, symbols } = await ownerWithSymbols(cluster, crowd.random);
    if (behind) {
      // What closes now reaches clients and the spool of the node, but not the table before the node dies.
      cluster.database.proxy.blackhole();
      await within(TAKEOVER_MAX_MS, 'candles close without the database', crowd.advance(2));
    }
    const started = performance.now();
    const taken = untilNewEpoch(crowd, symbols, (atMs) => takeover.add(atMs - started));
    await node.kill();
    if (behind) await cluster.database.proxy.heal();
    await within(TAKEOVER_MAX_MS, `${symbols} of ${node.name} taken over`, taken);
    await node.start();
  }
  await report('ingest kill -9', { 'ms until taken over': takeover, kills: KILLS });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
  if (full) expect(takeover.percentile(99)).toBeLessThanOrEqual(5000);
});

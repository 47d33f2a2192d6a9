import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { killGateway, killIngest, killRedis } from './kit/rounds.js';
import { explainFailure, seed } from './kit/scenario.js';
import { within } from './kit/within.js';

const LIMIT_MS = 60_000;
const DOWN_MS = 3_000;
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;
let watch: PublishWatch | undefined;

afterEach(async () => {
  watch?.stop();
  crowd?.leave();
  await cluster?.stop();
});

/** One round of what redis, database, gateway-kill and ingest-kill do often, on one cluster, for `npm test`. */
it('Redis kill -9, database kill -9, gateway kill -9, ingest kill -9, one after the other: everybody has everything', {
  timeout: 240_000,
}, async () => {
  explainFailure('together', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 2, symbols: ['AAA', 'BBB'], speed: 120 });
  crowd = await Crowd.join(cluster, seed, { clients: 6, channels: cluster.channels('1m', '1m:closed', '5m:closed') });
  const times = {
    stale: new Distribution(),
    healed: new Distribution(),
    whole: new Distribution(),
    takeover: new Distribution(),
  };
  await killRedis(cluster, crowd, times);
  await within(LIMIT_MS, 'candles go on after Redis', crowd.advance(2));

  // Nobody can take a partition while the database is away.
  await cluster.settled();
  await cluster.database.kill();
  await pause(DOWN_MS);
  await within(LIMIT_MS, 'candles go on without the database', crowd.advance(2));
  await cluster.database.start();
  await within(LIMIT_MS, 'candles go on after the database', crowd.advance(1));
  expect(crowd.clients.flatMap(({ closes }) => closes)).toEqual([]);

  watch = await PublishWatch.start(cluster.redis);
  await killGateway(cluster, crowd, times.whole);
  await killIngest(cluster, crowd, true, times.takeover);
  await within(LIMIT_MS, 'candles go on', crowd.advance(1));
  await report('together', {
    'ms until stale': times.stale,
    'ms until healed': times.healed,
    'ms until whole again': times.whole,
    'ms until taken over': times.takeover,
  });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
});

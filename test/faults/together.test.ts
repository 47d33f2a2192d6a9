import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import {
  cutClients,
  cutStatements,
  cutSubscribers,
  freezeIngest,
  freezeRedis,
  killGateway,
  killIngest,
  killRedis,
  restartEach,
  stallClients,
} from './kit/rounds.js';
import { explainFailure, seed } from './kit/scenario.js';
import { within } from './kit/within.js';

const LIMIT_MS = 60_000;
const DOWN_MS = 3_000;
const STUCK_MS = 1_500;
const CUTS = 4;
const SYMBOLS = ['AAA', 'BBB'];
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;
let watch: PublishWatch | undefined;

afterEach(async () => {
  watch?.stop();
  crowd?.leave();
  await cluster?.stop();
});

/** One round of what the scenarios do often, each on a cluster of its own, for `npm test`. */
it('Redis, the database, a gateway and an ingest node killed, frozen, cut off or restarted, one after the other: everybody has everything', {
  timeout: 300_000,
}, async () => {
  explainFailure('together', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 2, symbols: SYMBOLS, speed: 120 });
  crowd = await Crowd.join(cluster, seed, { clients: 6, channels: cluster.channels('1m', '1m:closed', '5m:closed') });
  const times = {
    stale: new Distribution(),
    healed: new Distribution(),
    whole: new Distribution(),
    takeover: new Distribution(),
    exits: new Distribution(),
  };
  await killRedis(cluster, crowd, times);
  await freezeRedis(cluster, crowd, STUCK_MS, times);
  await cutSubscribers(cluster, crowd, STUCK_MS, times.healed);
  await within(LIMIT_MS, 'candles go on after Redis', crowd.advance(2));

  // Nobody can take a partition while the database is away.
  await cluster.settled();
  await cluster.database.kill();
  await pause(DOWN_MS);
  await within(LIMIT_MS, 'candles go on without the database', crowd.advance(2));
  await cluster.database.start();
  await within(LIMIT_MS, 'candles go on after the database', crowd.advance(1));
  await cluster.database.freeze();
  await pause(STUCK_MS);
  await cluster.database.thaw();
  await cutStatements(cluster, crowd, CUTS);
  await within(LIMIT_MS, 'candles go on after statements were cut', crowd.advance(1));
  expect(crowd.clients.flatMap(({ closes }) => closes)).toEqual([]);

  watch = await PublishWatch.start(cluster.redis);
  await killGateway(cluster, crowd, times.whole);
  await killIngest(cluster, crowd, true, times.takeover);
  await freezeIngest(cluster, crowd, SYMBOLS.length, times.takeover);
  await restartEach(cluster, crowd, times);
  await cutClients(crowd, times.whole);
  await stallClients(crowd, 1, () => pause(STUCK_MS));
  await report('together', {
    'ms until stale': times.stale,
    'ms until healed': times.healed,
    'ms until whole again': times.whole,
    'ms until taken over': times.takeover,
    'ms until exit': times.exits,
  });
  await crowd.expectTruth();
  expect(watch.messages).toBeGreaterThan(0);
  expect(watch.faults).toEqual([]);
});

import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PublishWatch } from './kit/audit.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { cutSubscribers, freezeRedis, killRedis } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { untilHealed, untilStale } from './kit/staleness.js';
import { within } from './kit/within.js';

const LIMIT_MS = 60_000;
const KILLS = times(1, 10);
const FROZEN_MS = full ? 30_000 : 6_000;
const CUTTING_MS = full ? 30_000 : 3_000;
const FULL_MS = full ? 10_000 : 3_000;
let cluster: Cluster;
let crowd: Crowd;

beforeAll(async () => {
  cluster = await Cluster.start({ ingest: 1, gateways: 2, symbols: ['AAA', 'BBB'], speed: 120 });
  crowd = await Crowd.join(cluster, seed, { clients: 4, channels: cluster.channels('1m', '1m:closed', '1h') });
});
afterAll(async () => {
  crowd?.leave();
  await cluster?.stop();
});

/** After every fault: the sockets were never closed, and everything is there. */
async function expectUnharmed(): Promise<void> {
  await within(LIMIT_MS, 'candles go on', crowd.advance(4));
  expect(crowd.clients.flatMap(({ closes }) => closes)).toEqual([]);
  await crowd.expectTruth();
}

describe('Redis', () => {
  it(`kill -9 and restart empty, ${KILLS} times`, { timeout: 60_000 + KILLS * 30_000 }, async () => {
    explainFailure('redis-kill', () => cluster);
    const stale = new Distribution();
    const healed = new Distribution();
    for (let kill = 0; kill < KILLS; kill++) await killRedis(cluster, crowd, { stale, healed });
    await report('Redis kill -9', { 'ms until stale': stale, 'ms until healed': healed, kills: KILLS });
    await expectUnharmed();
    if (full) expect(stale.percentile(99)).toBeLessThanOrEqual(2000);
    if (full) expect(healed.percentile(99)).toBeLessThanOrEqual(2000);
  });

  it(`SIGSTOP ${FROZEN_MS / 1000} s`, { timeout: 120_000 }, async () => {
    explainFailure('redis-freeze', () => cluster);
    const stale = new Distribution();
    const healed = new Distribution();
    await freezeRedis(cluster, crowd, FROZEN_MS, { stale, healed });
    await report('Redis SIGSTOP', { 'ms until stale': stale, 'ms until healed': healed });
    await expectUnharmed();
    if (full) expect(stale.percentile(99)).toBeLessThanOrEqual(5000);
    if (full) expect(healed.percentile(99)).toBeLessThanOrEqual(2000);
  });

  it(`CLIENT KILL TYPE pubsub every 100 ms for ${CUTTING_MS / 1000} s`, { timeout: 120_000 }, async () => {
    explainFailure('redis-client-kill', () => cluster);
    const healed = new Distribution();
    await cutSubscribers(cluster, crowd, CUTTING_MS, healed);
    await report('Redis CLIENT KILL', { 'ms until healed': healed });
    await expectUnharmed();
    if (full) expect(healed.percentile(99)).toBeLessThanOrEqual(2000);
  });

  it(`maxmemory reached for ${FULL_MS / 1000} s: what cannot be stored is not published`, {
    timeout: 120_000,
  }, async () => {
    explainFailure('redis-full', () => cluster);
    const stale = new Distribution();
    const healed = new Distribution();
    const watch = await PublishWatch.start(cluster.redis);
    const filled = performance.now();
    await cluster.redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await watch.sync();
    const published = watch.messages;
    await within(LIMIT_MS, 'told that it is stale', untilStale(crowd, filled, stale));
    await pause(Math.max(0, FULL_MS - (performance.now() - filled)));
    await watch.sync();
    expect(watch.messages).toBe(published);
    await cluster.redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    watch.stop();
    await within(LIMIT_MS, 'healed', untilHealed(crowd, performance.now(), healed));
    await report('Redis full', { 'ms until stale': stale, 'ms until healed': healed });
    await expectUnharmed();
    if (full) expect(stale.percentile(99)).toBeLessThanOrEqual(2000);
    if (full) expect(healed.percentile(99)).toBeLessThanOrEqual(2000);
  });
});

import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const ROUNDS = times(1, 20);
const LOST_MS = full ? 10_000 : 4_000;
const CAUGHT_UP_MAX_MS = 10_000;
const CHANNEL = 'live:{ohlcv:AAA:1m}';
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

/** Redis says nothing, connections stand, other channels go on: only positions tell. */
it(`messages of one channel are lost without a trace, ${ROUNDS} times`, {
  timeout: 120_000 + ROUNDS * 30_000,
}, async () => {
  explainFailure('lost-messages', () => cluster);
  cluster = await Cluster.start({ ingest: 1, gateways: 1, symbols: ['AAA', 'BBB'], speed: 60, proxiesRedis: true });
  crowd = await Crowd.join(cluster, seed, { clients: 2, channels: cluster.channels('1m', '1m:closed') });
  const late = new Distribution();
  for (let round = 0; round < ROUNDS; round++) {
    // Whatever is said on the channel comes as if said on another, which nobody asked for.
    cluster.redisProxy.replace(CHANNEL, CHANNEL.replace('live', 'lost'));
    await pause(LOST_MS / 2);
    const started = performance.now();
    await within(CAUGHT_UP_MAX_MS, 'candles come although their messages are lost', crowd.advance(2));
    late.add(performance.now() - started);
    await cluster.redisProxy.heal();
    await within(CAUGHT_UP_MAX_MS, 'candles go on', crowd.advance(2));
  }
  const lost = crowd.clients.flatMap((client) =>
    [...client.channels.values()].filter(({ symbol }) => symbol === 'AAA'),
  );
  for (const { resyncs } of lost) expect(resyncs).toBeGreaterThan(0);
  await report('messages lost without a trace', { 'ms for two candles (60 a minute)': late });
  await crowd.expectTruth();
});

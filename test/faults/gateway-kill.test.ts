import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { killGateway } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const KILLS = times(3, 100);
const WHOLE_MAX_MS = 15_000;
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

it(`gateway kill -9, ${KILLS} times: clients resume on another`, { timeout: 60_000 + KILLS * 20_000 }, async () => {
  explainFailure('gateway-kill', () => cluster);
  cluster = await Cluster.start({ ingest: 1, gateways: 3, symbols: ['AAA', 'BBB'], speed: 120 });
  crowd = await Crowd.join(cluster, seed, { clients: 12, channels: cluster.channels('1m', '1m:closed', '5m:closed') });
  const whole = new Distribution();
  for (let kill = 0; kill < KILLS; kill++) await killGateway(cluster, crowd, whole);
  await within(WHOLE_MAX_MS, 'candles go on', crowd.advance(1));
  await report('gateway kill -9', { 'ms until whole again': whole, kills: KILLS });
  await crowd.expectTruth();
  if (full) expect(whole.percentile(99)).toBeLessThanOrEqual(3000);
});

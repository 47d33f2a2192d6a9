import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { restartEach } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';

const ROUNDS = times(1, 5);
const CLIENTS = full ? 200 : 30;
/** Told by the server to come back. */
const RECONNECT_CODES = [1001, 1012];
let cluster: Cluster | undefined;
let crowd: Crowd | undefined;

afterEach(async () => {
  crowd?.leave();
  await cluster?.stop();
});

it(`a rolling restart of every node under load, ${ROUNDS} times: one reconnect a client a node`, {
  timeout: 120_000 + ROUNDS * 120_000,
}, async () => {
  explainFailure('rolling-restart', () => cluster);
  cluster = await Cluster.start({ ingest: 2, gateways: 2, symbols: ['AAA', 'BBB', 'CCC', 'DDD'], speed: 60 });
  crowd = await Crowd.join(cluster, seed, { clients: CLIENTS, channels: cluster.channels('1m', '1m:closed', '5m') });
  const exits = new Distribution();
  const whole = new Distribution();
  for (let round = 0; round < ROUNDS; round++) await restartEach(cluster, crowd, { exits, whole });
  const codes = crowd.clients.flatMap(({ closes }) => closes.map(({ code }) => code));
  expect(codes.filter((code) => !RECONNECT_CODES.includes(code))).toEqual([]);
  await report('rolling restart', { 'ms until exit': exits, 'ms until whole again': whole, reconnects: codes.length });
  await crowd.expectTruth();
});

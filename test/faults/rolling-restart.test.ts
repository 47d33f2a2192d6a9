import { afterEach, expect, it } from 'vitest';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { Distribution, report } from './kit/measure.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const ROUNDS = times(1, 5);
const CLIENTS = full ? 200 : 30;
const LIMIT_MS = 60_000;
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
  for (let round = 0; round < ROUNDS; round++) {
    for (const node of cluster.nodes) {
      const cut = crowd.on(node.port);
      const before = crowd.clients.map(({ closes }) => closes.length);
      const started = performance.now();
      const back = cut.map(async (client) => {
        await client.until(() => client.port !== node.port && client.isWhole);
        whole.add(performance.now() - started);
      });
      expect(await node.drain(), `exit code of ${node.name}`).toBe(0);
      exits.add(performance.now() - started);
      await within(LIMIT_MS, `clients of ${node.name} whole again`, Promise.all(back));
      await node.start();
      await within(LIMIT_MS, 'candles go on', crowd.advance(2));
      const cuts = crowd.clients.map(({ closes }, index) => closes.length - (before[index] ?? 0));
      expect(Math.max(...cuts), `reconnects of one client for ${node.name}`).toBeLessThanOrEqual(1);
    }
  }
  const codes = crowd.clients.flatMap(({ closes }) => closes.map(({ code }) => code));
  expect(codes.filter((code) => !RECONNECT_CODES.includes(code))).toEqual([]);
  await report('rolling restart', { 'ms until exit': exits, 'ms until whole again': whole, reconnects: codes.length });
  await crowd.expectTruth();
});

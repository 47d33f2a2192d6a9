import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../app/support.js';
import { Cluster } from './kit/cluster.js';
import { Crowd } from './kit/crowd.js';
import { LatencyProbe } from './kit/latency-probe.js';
import { Distribution, report } from './kit/measure.js';
import { cutStatements } from './kit/rounds.js';
import { explainFailure, full, seed, times } from './kit/scenario.js';
import { within } from './kit/within.js';

const LIMIT_MS = 60_000;
const DOWN_MS = full ? 300_000 : 3_000;
const FROZEN_MS = full ? 60_000 : 3_000;
const CUTS = times(8, 200);
const QUIET_MS = full ? 30_000 : 1_500;
const LIVE_RATIO_MAX = 1.25;
let cluster: Cluster;
let crowd: Crowd;
let probe: LatencyProbe;
const quiet = new Distribution();

beforeAll(async () => {
  cluster = await Cluster.start({
    ingest: 1,
    gateways: 1,
    symbols: ['AAA', 'BBB'],
    speed: full ? 5 : 240,
    moreFeeds: ['push'],
    env: { COALESCE_MS: '0' },
  });
  crowd = await Crowd.join(cluster, seed, { clients: 3, channels: cluster.channels('1m', '1m:closed', '1h') });
  probe = await LatencyProbe.start(cluster, 5);
  await probe.run(QUIET_MS, quiet);
});
afterAll(async () => {
  probe?.stop();
  crowd?.leave();
  await cluster?.stop();
});

async function expectUnharmed(name: string, during: Distribution): Promise<void> {
  await within(LIMIT_MS, 'candles go on', crowd.advance(1));
  const drained = performance.now();
  const [ingest] = cluster.ingest;
  await eventually(
    () => ingest?.metric('spool_records'),
    (records) => records === 0,
    LIMIT_MS,
  );
  const ratio = Math.round((during.percentile(99) / quiet.percentile(99)) * 100) / 100;
  await report(`Timescale ${name}`, {
    'ms live before': quiet,
    'ms live meanwhile': during,
    'p99 meanwhile / before': ratio,
    'ms until the spool was empty': Math.round(performance.now() - drained),
  });
  expect(crowd.clients.flatMap(({ closes }) => closes)).toEqual([]);
  await crowd.expectTruth();
  if (full) expect(ratio).toBeLessThanOrEqual(LIVE_RATIO_MAX);
}

describe('Timescale', () => {
  it(`down ${DOWN_MS / 1000} s`, { timeout: 120_000 + DOWN_MS }, async () => {
    explainFailure('database-down', () => cluster);
    const during = new Distribution();
    await cluster.database.kill();
    await probe.run(DOWN_MS, during);
    await cluster.database.start();
    await expectUnharmed('down', during);
  });

  it(`frozen ${FROZEN_MS / 1000} s`, { timeout: 120_000 + FROZEN_MS }, async () => {
    explainFailure('database-frozen', () => cluster);
    const during = new Distribution();
    await cluster.database.freeze();
    try {
      await probe.run(FROZEN_MS, during);
    } finally {
      await cluster.database.thaw();
    }
    await expectUnharmed('frozen', during);
  });

  it(`reset in mid-statement, ${CUTS} times`, { timeout: 120_000 + CUTS * 2000 }, async () => {
    explainFailure('database-reset', () => cluster);
    const during = new Distribution();
    await Promise.all([cutStatements(cluster, crowd, CUTS), probe.run(CUTS * 300, during)]);
    await expectUnharmed('reset in mid-statement', during);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { DAY_MS } from '../../src/market/interval.js';
import { testDataDir } from '../support/database.js';
import { Server } from '../support/server.js';
import { OracleClient } from './kit/oracle-client.js';
import { generator } from './kit/random.js';
import { seed } from './kit/scenario.js';
import { Truth } from './kit/truth.js';
import { within } from './kit/within.js';

const LIMIT_MS = 60_000;
const directories: string[] = [];
let server: Server | undefined;
let client: OracleClient | undefined;

afterEach(async () => {
  client?.stop();
  await server?.stop();
  for (const directory of directories) await rm(directory, { recursive: true, force: true, maxRetries: 5 });
});

it('two days without a feed: the hole is announced before the first candle after it', { timeout: 90_000 }, async () => {
  const truth = Truth.withHole({ minute: 300, lengthMs: 2 * DAY_MS });
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-hole-'));
  const dataDir = await testDataDir();
  directories.push(directory, dataDir);
  const file = join(directory, 'trades.csv');
  await writeFile(file, truth.csv());
  server = await Server.start({ DATA_DIR: dataDir, FEEDS: `replay:${file}?speed=3000&symbol=AAA` });
  const channels = ['candles:AAA:1m', 'candles:AAA:1m:closed', 'candles:AAA:5m:closed'];
  client = new OracleClient({ channels, gateways: [server.port], truth, random: generator(seed) });
  await client.start();
  const follower = client;
  const after = (): boolean =>
    [...follower.channels.values()].every(({ closedUntil }) => (closedUntil ?? 0) > truth.holeEnd + 10 * 60_000);
  await within(
    LIMIT_MS,
    'candles after the hole',
    follower.until(() => after() || follower.faults.length > 0),
  );
  for (const { gaps } of follower.channels.values()) expect(gaps).toHaveLength(1);
  expect(follower.faults).toEqual([]);
});

import { rm } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { eventually } from '../app/support.js';
import { testDataDir } from '../support/database.js';
import { TRADES_FILE } from '../support/oracle.js';
import { Server } from '../support/server.js';
import { OracleClient } from './kit/oracle-client.js';
import { FaultProxy } from './kit/proxy.js';
import { between, generator } from './kit/random.js';
import { seed, times } from './kit/scenario.js';
import { Truth } from './kit/truth.js';
import { within } from './kit/within.js';

const CUTS = times(12, 300);
const LIMIT_MS = 60_000;
const ATTEMPTS = 4;
let server: Server | undefined;
let dataDir: string | undefined;
const proxies: FaultProxy[] = [];
const accepted = () => proxies.reduce((sum, proxy) => sum + proxy.accepted, 0);

afterEach(async () => {
  for (const proxy of proxies) await proxy.stop();
  await server?.stop();
  if (dataDir !== undefined) await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
});

it(`connections of clients cut at any byte, ${CUTS} times (SEED=${seed})`, {
  timeout: 60_000 + CUTS * 1000,
}, async () => {
  const random = generator(seed);
  dataDir = await testDataDir();
  server = await Server.start({ DATA_DIR: dataDir, FEEDS: `replay:${TRADES_FILE}?speed=600&symbol=AAA` });
  for (let count = 0; count < 2; count++) proxies.push(await FaultProxy.to({ port: server.port }));
  const gateways = proxies.map(({ port }) => port);
  const channels = ['candles:AAA:1m', 'candles:AAA:1m:closed', 'candles:AAA:5m'];
  const client = await new OracleClient({ channels, gateways, truth: new Truth(), random }).start();
  for (let cut = 0; cut < CUTS; cut++) {
    const connects = client.connects;
    const attempts = accepted();
    for (const proxy of proxies) proxy.cutAfter(Math.floor(between(random, 1, 4000)), cut % 3 === 0 ? 'up' : 'down');
    if (cut % 3 === 0) for (const proxy of proxies) proxy.reset();
    // What was cut in its handshake is cut again each time: after a few attempts that is enough.
    await eventually(
      () => client.connects > connects || accepted() >= attempts + ATTEMPTS,
      (enough) => enough,
      LIMIT_MS,
    );
    for (const proxy of proxies) await proxy.heal();
    await within(LIMIT_MS, 'whole again', client.whole());
    await pause(between(random, 0, 100));
  }
  const closed = client.channel('candles:AAA:1m').closed;
  await within(
    LIMIT_MS,
    'candles go on',
    client.until(() => client.channel('candles:AAA:1m').closed > closed + 2),
  );
  client.stop();
  expect(client.faults).toEqual([]);
});

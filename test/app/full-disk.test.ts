import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, expect, it } from 'vitest';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { testDataDir } from '../support/database.js';
import { asKline, exchangeKlines, TRADES_FILE } from '../support/oracle.js';
import { DatabaseServer, Server } from '../support/server.js';
import { eventually, get, metric, Places, post } from './support.js';

const places = new Places();
afterAll(() => places.clear());

/** Writes a file until nothing more fits. */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  for (const size of [65_536, 4096, 512]) {
    const block = Buffer.alloc(size, 1);
    while (
      await file.write(block).then(
        () => true,
        () => false,
      )
    );
  }
  await file.close();
}

it('a disk that fills up: closed candles wait, nothing is acknowledged that could be lost, all is well when there is room', {
  timeout: 120_000,
}, async ({ skip }) => {
  const dataDir = await places.mount('size=4m');
  if (dataDir === null) return skip('mounting is not allowed here');
  const databaseDir = await testDataDir();
  places.keep(databaseDir);
  const database = await DatabaseServer.start(databaseDir);
  const server = await Server.start({
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    FEEDS: `replay:${TRADES_FILE}?speed=20000&symbol=XRPETH;push`,
  });
  const recorder = new ClosedRecorder('candles:XRPETH:1m:closed');
  await recorder.connect(server.port);
  await recorder.reach(200);
  const trade = { symbol: 'P', id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
  expect((await post(server, [trade])).body.accepted).toBe(1);

  const filler = join(dataDir, 'filler');
  await fill(filler);
  const ready = () => get<{ reasons?: string[] }>(server, '/readyz');
  const full = await eventually(ready, ({ status }) => status === 503);
  expect(full.body.reasons).toEqual(['closed candles do not reach the disk']);
  await server.printed(/closed candles wait: the spool cannot take them/);
  expect(await metric(server, 'spool_failed_commits_total')).toBeGreaterThan(0);
  const stuckAt = recorder.candles.length;
  // Nothing has been shown that a crash could take back: what is on disk reaches the table, and nothing else was sent.
  const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
  await eventually(
    async () => (await sql`SELECT count(*)::int AS rows FROM ohlcv WHERE symbol = 'XRPETH'`)[0]?.rows,
    (rows) => rows === stuckAt,
  );
  await sql.end({ timeout: 0 });

  const history = await get(server, '/v1/candles?symbol=XRPETH&interval=1m');
  expect([history.status, history.headers.get('retry-after')]).toEqual([503, '2']);
  const more = Array.from({ length: 3000 }, (_, index) => ({ ...trade, id: index + 2 }));
  const refused = await post(server, more);
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect(refused.body.detail).toMatch(/Nothing was taken/);
  expect((await get(server, '/healthz')).status).toBe(200);
  expect(recorder.candles.length).toBe(stuckAt);

  await rm(filler);
  await eventually(ready, ({ status }) => status === 200);
  const taken = await post(server, more);
  expect([taken.status, taken.body.accepted, taken.body.duplicates]).toEqual([200, 3000, 0]);
  await recorder.reach(exchangeKlines().length);
  recorder.disconnect();
  expect(recorder.faults).toEqual([]);
  expect(recorder.candles.map(asKline)).toEqual(exchangeKlines());
  expect(await server.stop()).toBe(0);
  expect(await database.stop()).toBe(0);
});

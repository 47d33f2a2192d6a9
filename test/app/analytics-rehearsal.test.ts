import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Analytics } from '../../src/analytics/analytics.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { dailyRows, foldDays, MIGRATIONS, type Minute, refreshAll, store } from '../analytics/support.js';
import { testDataDir } from '../support/database.js';
import { DatabaseServer, Program, Server } from '../support/server.js';
import { DAY, daily, date, FROM, MINUTE, pushed, timescaleOf, trade } from './analytics-support.js';
import { ended, eventually, get, Places } from './support.js';

/** What the keeper of the analytics does by itself, which takes minutes, and what becomes of a rebuild that is killed. */

const places = new Places();
afterAll(() => places.clear());

describe('beside a database of its own', () => {
  const MINUTES: Minute[] = Array.from({ length: 600 }, (_, i) => `K${String(i).padStart(3, '0')}`).flatMap(
    (symbol, i) =>
      [0, 1, 2].map((day) => {
        const [o, h] = [(i + 1).toFixed(8), (i + 2 + day).toFixed(8)];
        return { symbol, t: FROM + (day + 1) * DAY - MINUTE, o, h, l: o, c: h, v: '1.50000000', n: 2 };
      }),
  );
  let database: DatabaseServer;

  beforeAll(async () => {
    const dataDir = await testDataDir();
    places.keep(dataDir);
    database = await DatabaseServer.start(dataDir);
    const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1, onnotice: () => {} });
    await store(sql, MINUTES);
    await refreshAll(sql, FROM, FROM + 3 * DAY);
    await sql.end();
  });
  afterAll(async () => {
    await database?.stop();
  });

  it('a rebuild that is killed in the middle, twice, goes on where it was, and ends with the same rows', async () => {
    const dataDir = await places.directory();
    const env = { PORT: '0', DATABASE_URL: database.url, DATA_DIR: dataDir };
    const rebuild = ['analytics', 'rebuild', '--from', date(0), '--to', date(3), '--json'];
    const note = join(dataDir, 'analytics', 'rebuild.json');
    let last = '';
    for (let kills = 0; kills < 2; kills++) {
      const program = new Program(rebuild, env);
      for (let text = last; text === last && program.child.exitCode === null; await pause(2))
        text = await readFile(note, 'utf8').catch(() => last);
      program.child.kill('SIGKILL');
      expect(await program.exited(), program.output).toBeNull();
      last = await readFile(note, 'utf8');
    }
    const { code, said } = await ended(rebuild, env);
    expect({ code, said }).toMatchObject({ code: 0 });
    const told = JSON.parse(said.slice(said.indexOf('{\n'))) as { symbols: number; resumedAfter: string; days: number };
    expect(told.resumedAfter).toBe((JSON.parse(last) as { done: string }).done);
    expect(told.symbols).toBe(600 - 1 - Number(told.resumedAfter.slice(1)));
    await expect(access(note)).rejects.toThrow();
    const analytics = new Analytics({ url: null, dataDir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
    expect(await dailyRows(analytics)).toEqual(foldDays(MINUTES));
    await analytics.stop();
  });

  it('a server without the package of the embedded engine says what to do, and all else works', async () => {
    const hook = `export const resolve = (name, context, next) => {
      if (name === 'chdb') throw new Error("Cannot find package 'chdb'");
      return next(name, context);
    };`;
    const address = JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`);
    const load = encodeURIComponent(`import { register } from 'node:module'; register(${address});`);
    const server = await Server.start({
      DATABASE_URL: database.url,
      DATA_DIR: await places.directory(),
      FEEDS: 'push',
      NODE_OPTIONS: `--import=data:text/javascript,${load}`,
    });
    for (let i = 0; i < 3; i++) {
      const { status, headers, body } = await get<{ code: string; detail: string }>(
        server,
        '/v1/analytics/daily?symbol=K000',
      );
      expect([status, headers.get('retry-after'), body.code]).toEqual([503, '60', 'analytics_unavailable']);
      expect(body.detail).toMatch(
        /the embedded ClickHouse cannot be loaded .*"npm install chdb".*or set CLICKHOUSE_URL/,
      );
    }
    expect((await get(server, '/readyz')).status).toBe(200);
    expect((await get<{ candles: object[] }>(server, '/v1/candles?symbol=K000&interval=1d')).body.candles).toHaveLength(
      3,
    );
    await pushed(server, [trade('NEW', 1, Date.now(), '5')], 'new');
    expect(server.output.match(/npm install chdb/g)).toHaveLength(1);
    expect(await server.stop()).toBe(0);
  });
});

describe('a server by itself', () => {
  let dataDir: string;
  let server: Server;
  beforeAll(async () => {
    dataDir = await testDataDir();
    places.keep(dataDir);
    server = await Server.start({ DATA_DIR: dataDir, FEEDS: 'push' });
    const trades = [trade('REV', 1, FROM + DAY - 10 * MINUTE, '5'), trade('REV', 2, FROM + DAY + 5 * MINUTE, '6')];
    await pushed(server, trades, 'rev');
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('has a day anew within minutes after it was corrected', async () => {
    const closes = async () => (await daily(server, 'REV')).body.days?.map(({ close }) => close);
    await eventually(closes, (found) => found?.[0] === 5, 90_000);
    const sql = await timescaleOf(dataDir);
    await refreshAll(sql, FROM, FROM + 2 * DAY);
    await sql.end();
    await pushed(server, [trade('REV', 3, FROM + DAY - 2 * MINUTE, '4')], 'rev');
    expect(await eventually(closes, (found) => found?.[0] === 4, 120_000)).toEqual([4]);
  });
});

import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres, { type Sql } from 'postgres';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import type { Position } from '../../src/market/position.js';
import { postgresOptions, startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { migrate } from '../../src/store/migrate.js';
import type { WireCandle } from '../../src/wire/messages.js';
import { ended, eventually, get, Places } from '../app/support.js';
import { TestClient } from '../gateway/client.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import { realPostgres, TIMESCALE_MIGRATIONS } from '../support/database.js';
import { asKline, exchangeKlines } from '../support/oracle.js';
import { Program, Server } from '../support/server.js';
import { Cluster } from './kit/cluster.js';
import { ClusterDatabase } from './kit/cluster-database.js';
import { explainFailure, full } from './kit/scenario.js';

const run = promisify(execFile);
const CHANNEL = 'candles:XRPETH:1m:closed';
const RELATIONAL_MIGRATIONS = join(TIMESCALE_MIGRATIONS, '..', 'postgres');
const ADA = { email: 'ada@example.com', password: 'correct horse battery staple' };
const places = new Places();
afterAll(() => places.clear());

async function candles(server: Server): Promise<WireCandle[]> {
  const all: WireCandle[] = [];
  for (let start = 'from=0'; ; ) {
    const path = `/v1/candles?symbol=XRPETH&interval=1m&limit=1000&${start}`;
    const { status, body } = await get<{ candles: WireCandle[]; next: string | null }>(server, path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    all.push(...body.candles);
    if (body.next === null) return all.filter(({ x }) => x);
    start = `cursor=${body.next}`;
  }
}

describe.runIf(full)('a cluster whose database went back', () => {
  let cluster: Cluster;
  afterAll(() => cluster?.stop());

  it('is whole again, with the Redis that has seen more, and tells every client', async () => {
    explainFailure('restore', () => cluster);
    // A thousand minutes is more than the bus keeps of a channel.
    cluster = await Cluster.start({ ingest: 1, gateways: 1, symbols: ['XRPETH'], speed: 6000 });
    const [gateway] = cluster.gateways;
    if (gateway === undefined) throw new Error('no gateway');
    await eventually(
      () => candles(gateway.server).catch(() => []),
      ({ length }) => length > 0,
    );
    const recorder = new ClosedRecorder(CHANNEL);
    await recorder.connect(gateway.port);
    await recorder.reach(200);
    const backup = join(await places.directory(), 'backup');
    expect(await ended(['db', 'backup', backup], { DATA_DIR: cluster.database.dataDir })).toMatchObject({ code: 0 });
    const atBackup = recorder.candles.length;
    await recorder.reach(atBackup + 1000);
    const late = recorder.position as Position;
    expect(recorder.faults).toEqual([]);
    recorder.disconnect();

    await Promise.all(cluster.nodes.map((node) => node.drain()));
    await cluster.database.kill();
    // As a physical restore leaves it: nothing in it says that it was one.
    const restored = await mkdtemp(join(tmpdir(), 'candlecast-restored-'));
    await cp(join(backup, 'timescale'), join(restored, 'timescale'), { recursive: true });
    await cluster.database.startOn(restored);
    const { url } = cluster.database;
    const said = await ended(['db', 'restored'], { TIMESCALE_URL: url, REDIS_URL: cluster.redis.url });
    expect(said).toMatchObject({ code: 0 });
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.owned();

    // Asked again as the protocol says, until somebody has taken the symbol.
    const resumed = (position: Position) =>
      eventually(
        async () => {
          const client = await TestClient.connect(gateway.port);
          client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }] });
          const answer = await client.until(({ type }) => type === 'subscribed' || type === 'error');
          client.socket.terminate();
          return answer.type === 'subscribed' ? answer : null;
        },
        (answer) => answer !== null,
      ).then((answer) => answer as NonNullable<typeof answer>);
    expect(await resumed(late)).toMatchObject({ recovered: false });
    await eventually(
      async () => (await resumed({ epoch: 1, seq: 0 })).seq,
      (seq) => seq > late.seq,
      60_000,
    );
    const answer = await resumed(late);
    expect(answer).toMatchObject({ recovered: false });
    expect(answer.epoch).toBeGreaterThan(late.epoch);
    const found = (
      await eventually(
        () => candles(gateway.server).catch(() => []),
        ({ length }) => length > recorder.candles.length,
      )
    ).map(asKline);
    expect(found).toEqual(exchangeKlines().slice(0, found.length));
    expect(cluster.faults).toEqual([]);
  });
});

describe.runIf(full)("PostgreSQL's own tools", () => {
  it('bring the relational tables to another server, which begins anew', async () => {
    const [from, to] = [await realPostgres(), await realPostgres()];
    try {
      const dump = join(await places.directory(), 'candlecast.dump');
      const source = from.connect({ max: 1 });
      await migrate({ sql: source, directory: RELATIONAL_MIGRATIONS, log: silentLog });
      await source`INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), ${ADA.email}, 'x')`;
      await source`UPDATE signal_epoch SET epoch = epoch - 100`;
      const socket = (url: string) => decodeURIComponent(new URL(url.replace('%2F', 'h%2F')).host).slice(1);
      const tool = (name: string, url: string, ...args: string[]) =>
        run(name, ['-h', socket(url), '-U', 'postgres', '-d', 'postgres', ...args]);
      const epochs = async (sql: Sql) => Number((await sql`SELECT epoch FROM signal_epoch`)[0]?.epoch);
      await tool('pg_dump', from.url, '-Fc', '-f', dump);
      await tool('pg_restore', to.url, '--clean', '--if-exists', dump);
      const target = to.connect({ max: 1 });
      const known = await epochs(target);
      expect(known).toBe(await epochs(source));
      expect(await migrate({ sql: target, directory: RELATIONAL_MIGRATIONS, log: silentLog })).toBe(0);
      const dataDir = await places.directory();
      const said = await ended(['db', 'restored'], { DATA_DIR: dataDir, DATABASE_URL: to.url, TIMESCALE_URL: to.url });
      // It is no TimescaleDB: that is said, and nothing has changed.
      expect(said).toMatchObject({ code: 2 });
      expect(await epochs(target)).toBe(known);
      const candlesOnly = await ClusterDatabase.start();
      const env = { DATA_DIR: dataDir, DATABASE_URL: to.url, TIMESCALE_URL: candlesOnly.url };
      expect(await ended(['db', 'restored'], env)).toMatchObject({ code: 0 });
      await candlesOnly.stop();
      expect(await epochs(target)).toBeGreaterThan(known);
      expect((await target`SELECT email FROM users`).map(({ email }) => email)).toEqual([ADA.email]);
    } finally {
      await from.stop();
      await to.stop();
    }
  });
});

describe.runIf(full)('a database of an older version', () => {
  it('is brought up to date by a start, with everything that is in it; the way back is refused', async () => {
    const dataDir = await places.directory();
    const klines = exchangeKlines().slice(0, 120);
    const old = await startEmbeddedDatabase({ dataDir, log: silentLog });
    const sql = postgres(old.url, { ...postgresOptions(old.url), max: 1, onnotice: () => {} });
    await migrate({ sql, directory: TIMESCALE_MIGRATIONS, log: silentLog, upTo: 5 });
    await migrate({ sql, directory: RELATIONAL_MIGRATIONS, log: silentLog, upTo: 1 });
    const [{ epoch } = { epoch: 0 }] = await sql`SELECT epoch FROM writer_epochs`;
    for (const [time, open, high, low, close, volume] of klines)
      await sql`INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, trade_count, seq, epoch)
        VALUES ('OLD', ${new Date(time)}, ${open}, ${high}, ${low}, ${close}, ${volume}, 1, ${(time / 60_000) * 2 ** 20}, ${epoch})`;
    await sql`INSERT INTO users (id, email, password_hash) VALUES (gen_random_uuid(), ${ADA.email}, 'x')`;
    await sql.end();
    await old.stop();

    const server = await Server.start({ DATA_DIR: dataDir, FEEDS: 'push' });
    try {
      const page = await server.json<{ candles: WireCandle[] }>('/v1/candles?symbol=OLD&interval=1m&from=0&limit=1000');
      expect(page.candles.map(asKline)).toEqual(klines);
      const hours = await server.json<{ candles: WireCandle[] }>('/v1/candles?symbol=OLD&interval=1h&from=0');
      expect(hours.candles.reduce((sum, { n }) => sum + n, 0)).toBe(klines.length);
      const users = await new Program(['user', 'list', '--json'], { DATA_DIR: dataDir }).printed(/ada@example\.com/);
      expect(users).not.toBeNull();
    } finally {
      expect(await server.stop()).toBe(0);
    }

    const newer = await startEmbeddedDatabase({ dataDir, log: silentLog });
    const client = postgres(newer.url, { ...postgresOptions(newer.url), max: 1 });
    const applied = await client`SELECT migration_set, count(*)::int FROM schema_migrations GROUP BY 1 ORDER BY 1`;
    const files = async (directory: string) =>
      (await readdir(directory)).filter((name) => name.endsWith('.sql')).length;
    expect(applied.map(({ count }) => count)).toEqual([
      await files(RELATIONAL_MIGRATIONS),
      await files(TIMESCALE_MIGRATIONS),
    ]);
    await client`INSERT INTO schema_migrations VALUES ('timescale', 9999, 'of_tomorrow', 'x')`;
    await client.end();
    await newer.stop();
    const { code, said } = await ended(['start'], { DATA_DIR: dataDir, FEEDS: 'push' });
    expect([code, said]).toEqual([2, expect.stringContaining('newer schema (timescale 9999: of_tomorrow)')]);
  });
});

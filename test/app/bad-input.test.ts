import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { WireCandle } from '../../src/wire/messages.js';
import { TestClient } from '../gateway/client.js';
import { realPostgres, type TestDatabase, testDataDir } from '../support/database.js';
import { type Environment, Server } from '../support/server.js';
import { here } from './here.js';
import { ended, eventually, get, logged, metric, Places, post } from './support.js';

const MINUTE = 60_000;
const HEADER = 'trade_id,time_ms,price,quantity,taker_side';
const T0 = Date.UTC(2020, 0, 1);
const places = new Places();
afterAll(() => places.clear());

/** A mistake of the operator: exit code 2 and words, no stack. `run`: where processes are not what is tested, in this one. */
async function refused(env: Environment, args: readonly string[] = ['start'], run = here): Promise<string> {
  const { code, said } = await run(args, { DATA_DIR: await places.directory(), ...env });
  expect(said).not.toMatch(/^\s+at /m);
  expect({ code, said }).toEqual({ code: 2, said });
  return said;
}

describe('what is wrong before a start', () => {
  it('is said all at once', async () => {
    const file = join(await places.directory(), 'file');
    await writeFile(file, '');
    const env = {
      PORT: '99999',
      LOG_LEVEL: 'loud',
      FEEDS: 'demmo; replay:x.csv',
      DATA_DIR: join(file, 'below'),
      DATABASE_URL: 'mysql://localhost/x',
      COALESCE_MS: '-1',
    };
    const said = await refused(env, ['start'], ended);
    expect(said).toMatch(/PORT must be an integer from 0 to 65535/);
    expect(said).toMatch(/LOG_LEVEL must be one of trace, debug/);
    expect(said).toMatch(/"demmo": unknown feed; a feed is "demo"/);
    expect(said).toMatch(/"replay:x.csv": the symbol is missing/);
    expect(said).toMatch(/DATA_DIR .*below cannot be written: a part of the path is a file/);
    expect(said).toMatch(/DATABASE_URL must be a URL such as postgres:\/\//);
    expect(said).toMatch(/COALESCE_MS must be an integer/);
  });

  it('a trade file that is missing, a directory, empty or something else, before the database is opened', async () => {
    const directory = await places.directory();
    const file = (name: string) => join(directory, name);
    await writeFile(file('empty.csv'), '');
    await writeFile(file('other.csv'), 'date,open,high\n1,2,3\n');
    await writeFile(file('broken.csv.gz'), Buffer.from([0x1f, 0x8b, 1, 2, 3, 4]));
    const said: string[] = [];
    for (const name of ['none.csv', '.', 'empty.csv', 'other.csv', 'broken.csv.gz'])
      said.push(await refused({ FEEDS: `replay:${file(name)}?symbol=X` }));
    expect(said[0]).toMatch(/none\.csv: there is no such file/);
    expect(said[1]).toMatch(/is not a file: replay takes a CSV file of trades/);
    expect(said[2]).toMatch(new RegExp(`it is empty; its first line must be "${HEADER}"`));
    expect(said[3]).toMatch(new RegExp(`its first line is "date,open,high"; it must be "${HEADER}"`));
    expect(said[4]).toMatch(/cannot replay .*broken\.csv\.gz: /);
    expect(said.join()).not.toMatch(/TimescaleDB/);
  });

  it('a port in use', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? String(address?.port) : '';
    expect(await refused({ PORT: port, FEEDS: 'push' }, ['start'], ended)).toMatch(
      new RegExp(`Port ${port} on 127.0.0.1 is in use.*choose another with PORT`),
    );
    other.close();
  });

  it('a DATA_DIR on a read-only file system', async ({ skip }) => {
    const path = await places.mount('ro,size=1m');
    if (path === null) return skip('mounting is not allowed here');
    expect(await refused({ DATA_DIR: path })).toMatch(/DATA_DIR .* cannot be written: the file system is read-only/);
  });

  it('a DATA_DIR on a full disk, and one with too little room for the database', async ({ skip }) => {
    const path = await places.mount('size=64k');
    if (path === null) return skip('mounting is not allowed here');
    expect(await refused({ DATA_DIR: path, FEEDS: 'push' })).toMatch(/has only 0 MB free: make room/);
    await writeFile(join(path, 'filler'), Buffer.alloc(64 * 1024)).catch(() => {});
    expect(await refused({ DATA_DIR: path })).toMatch(/DATA_DIR .* cannot be written: the disk is full/);
  });

  it('a database that nobody serves; the password is not told', async () => {
    const said: string[] = [];
    for (const host of ['127.0.0.1:1', 'nowhere.invalid', '%2Fno%2Fsuch'])
      said.push(await refused({ DATABASE_URL: `postgres://u:sekret@${host}/x` }));
    expect(said[0]).toMatch(/the database at postgres:\/\/u@127\.0\.0\.1:1\/x cannot be used: .*nothing listens there/);
    expect(said[1]).toMatch(/no such host|could not be looked up/);
    expect(said[2]).toMatch(/no such socket/);
    expect(said.join()).not.toContain('sekret');
  });
});

describe('a PostgreSQL server that will not do', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await realPostgres();
  });
  afterAll(() => database?.stop());

  const as = (user: string, name = 'postgres') => database.url.replace('postgres@', `${user}@`).replace(/[^/]*$/, name);

  it('has no TimescaleDB', async () => {
    expect(await refused({ DATABASE_URL: database.url })).toMatch(
      /has no timescaledb extension.*use a TimescaleDB server/,
    );
  });

  it('refuses the password, or has no such user or database', async () => {
    const sql = database.connect({ max: 1 });
    await sql`CREATE ROLE limited LOGIN PASSWORD 'right'`;
    const rules = join(database.dataDir, 'data', 'pg_hba.conf');
    await writeFile(rules, `local all limited scram-sha-256\n${await readFile(rules, 'utf8')}`);
    await sql`SELECT pg_reload_conf()`;
    const said: string[] = [];
    for (const DATABASE_URL of [as('limited:sekret'), as('nobody:sekret'), as('postgres', 'nodb')])
      said.push(await refused({ DATABASE_URL }));
    expect(said[0]).toMatch(/password authentication failed for user "limited": correct the user or the password/);
    expect(said[1]).toMatch(/role "nobody" does not exist: correct the user/);
    expect(said[2]).toMatch(/database "nodb" does not exist: create the database/);
    expect(said.join()).not.toContain('sekret');
  });

  it('does not answer', async () => {
    const users = ['user', 'list'];
    const env = { DATABASE_URL: database.url, DATA_DIR: await places.directory() };
    expect(await here(users, env)).toMatchObject({ code: 0 });
    const sql = database.connect({ max: 1 });
    await sql.begin(async (other) => {
      await other`LOCK TABLE users`;
      expect(await refused(env, users)).toMatch(
        /the database at .* cannot be used: the database did not answer within \d+ ms: it is busy or frozen: try again/,
      );
    });
  });

  it('has the schema of a newer version', async () => {
    const sql = database.connect({ max: 1 });
    await sql`INSERT INTO schema_migrations VALUES ('timescale', 99, 'from_the_future', 'abc')`;
    const words = /newer schema \(timescale 99: from_the_future\).*run the newer version/;
    expect(await refused({ DATABASE_URL: database.url })).toMatch(words);
    expect(await refused({ DATABASE_URL: database.url }, ['db', 'migrate'])).toMatch(words);
  });
});

it('--help and --version', async () => {
  const [help, version] = await Promise.all([ended(['--help'], {}), ended(['--version'], {})]);
  expect(help.code).toBe(0);
  for (const name of ['start', 'db', '.env.example']) expect(help.said).toContain(name);
  const manifest = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  expect(version).toEqual({ code: 0, said: `${(JSON.parse(manifest) as { version: string }).version}\n` });
});

/** Each line of the file with what is wrong with it; null = a good one. */
const LINES: readonly (readonly [string, string | null])[] = [
  [`1,${T0 + 1000},10,1,buy`, null],
  [`x,${T0 + 2000},10,1,buy`, 'bad_id'],
  [`3,${T0 + 3000},NaN,1,buy`, 'bad_price'],
  [`4,${T0 + 4000},10,1`, 'bad_shape'],
  [`5,${T0 + 5000},12.5,2,sell`, null],
  ['6,0,1000,1,buy', 'bad_time'],
  [`7,${Date.UTC(3000, 0, 1)},1000,1,buy`, 'bad_time'],
  [`8,${T0 + 8000},10,-1,buy`, 'bad_quantity'],
  [`9,${T0 + 9000},10,0,buy`, 'bad_quantity'],
  [`10,${T0 + 10_000},1e3,1,buy`, 'bad_price'],
  [`11,${T0 + 11_000},10,1,hold`, 'bad_side'],
  [`5,${T0 + 5000},12.5,2,sell`, null],
  ['\u0000\u0001\u0002garbage\u00ff', 'bad_shape'],
  [`14,${'9'.repeat(5000)},10,1,buy`, 'bad_shape'],
  ['', null],
  [`16,${T0 + 3 * MINUTE},11,1,buy`, null],
];

describe('a running server', () => {
  let dataDir: string;
  let server: Server;

  beforeAll(async () => {
    dataDir = await testDataDir();
    places.keep(dataDir);
    const file = join(await places.directory(), 'trades.csv');
    await writeFile(file, [HEADER, ...LINES.map(([line]) => line)].join('\n'), 'latin1');
    server = await Server.start({
      DATA_DIR: dataDir,
      FEEDS: `replay:${file}?speed=0&symbol=BAD;push`,
      LOG_LEVL: 'debug',
      CANDLECAST_PORT: '1',
    });
  });
  afterAll(async () => {
    await server?.stop();
  });

  it('warns of variables that are misspelt', () => {
    const said = logged(server).map(({ msg }) => msg);
    expect(said).toContain('LOG_LEVL is not a variable of Candlecast: did you mean LOG_LEVEL?');
    expect(said).toContain('CANDLECAST_PORT is not a variable of Candlecast: did you mean PORT?');
  });

  it('names every malformed line of a file and folds the rest', async () => {
    await server.printed(/the replay has ended/);
    const told = logged(server).filter(({ source }) => source === 'replay BAD');
    const wrong = LINES.flatMap(([, reason], index) => (reason === null ? [] : [{ line: index + 2, reason }]));
    expect(told.map(({ line, reason }) => ({ line, reason }))).toEqual(wrong);
    expect(told[0]?.msg).toBe('quarantined: trade id "x" must be an integer from 0 to 2^53-1');
    const { candles } = await server.json<{ candles: WireCandle[] }>('/v1/candles?symbol=BAD&interval=1m');
    const flat = { o: '12.50000000', h: '12.50000000', l: '12.50000000', c: '12.50000000', v: '0.00000000', n: 0 };
    expect(candles).toEqual([
      {
        t: T0,
        o: '10.00000000',
        h: '12.50000000',
        l: '10.00000000',
        c: '12.50000000',
        v: '3.00000000',
        n: 2,
        x: true,
        r: 0,
      },
      { t: T0 + MINUTE, ...flat, x: true, r: 0 },
      { t: T0 + 2 * MINUTE, ...flat, x: true, r: 0 },
      {
        t: T0 + 3 * MINUTE,
        o: '11.00000000',
        h: '11.00000000',
        l: '11.00000000',
        c: '11.00000000',
        v: '1.00000000',
        n: 1,
        x: true,
        r: 0,
      },
    ]);
    expect(await metric(server, 'trades_quarantined_total{feed="replay",reason="bad_time"}')).toBe(2);
    expect(await metric(server, 'trades_total{outcome="duplicate"}')).toBe(1);
  });

  it('keeps its DATA_DIR to itself', async () => {
    const said = [await refused({ DATA_DIR: dataDir }), await refused({ DATA_DIR: dataDir }, ['db'])];
    for (const [words, where] of [
      [said[0], dataDir],
      [said[1], join(dataDir, 'timescale')],
    ] as const) {
      expect(words).toContain(`${where} is in use by process ${server.child.pid}`);
      expect(words).toMatch(/stop it, or choose another DATA_DIR/);
    }
    expect((await get(server, '/healthz')).status).toBe(200);
  });

  it.each([
    ['symbol=bad&interval=1m', 400, /"symbol" must be .*it is "bad"/],
    ['interval=1m', 400, /"symbol" is missing/],
    ['symbol=BAD&interval=7m', 400, /"interval" must be one of 1m 3m 5m/],
    ['symbol=BAD', 400, /"interval" must be one of .*it is missing/],
    ['symbol=BAD&interval=1m&limit=0', 400, /"limit" must be an integer from 1 to 1000/],
    ['symbol=BAD&interval=1m&limit=1001', 400, /"limit" must be an integer from 1 to 1000/],
    ['symbol=BAD&interval=1m&from=2&to=1', 400, /"from" must be before "to"/],
    ['symbol=BAD&interval=1m&from=yesterday', 400, /"from" must be epoch milliseconds/],
    ['symbol=BAD&interval=1m&from=1577836800', 400, /looks like epoch seconds/],
    ['symbol=BAD&interval=1m&form=1', 400, /Unknown parameter "form"; known: symbol, interval/],
    ['symbol=BAD&interval=1m&cursor=zzz', 400, /"cursor" must be the "next" of an earlier answer/],
    ['symbol=BAD&interval=1m&fill=all', 400, /"fill" must be flat \(the default\) or none/],
    ['symbol=NONE&interval=1m', 404, /No feed has NONE.*GET \/v1\/symbols/],
  ])('GET /v1/candles?%s', async (query, status, words) => {
    const answer = await get<{ detail: string; status: number }>(server, `/v1/candles?${query}`);
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body.detail).toMatch(words);
  });

  it('says what no path and no method is', async () => {
    expect((await get(server, '/v1/nothing')).status).toBe(404);
    const wrong = await get(server, '/v1/trades');
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST, OPTIONS']);
  });

  it('answers nonsense over the WebSocket, and closes at an oversized frame', async () => {
    const client = await TestClient.connect(server.port);
    for (const frame of ['{"op":"sell","id":1}', '{nonsense', Buffer.from([1, 2, 3])]) client.sendRaw(frame);
    client.send({ op: 'subscribe', id: 2, channels: ['candles:BAD:7m'] });
    await eventually(
      () => client.all('error').map(({ code }) => code),
      (codes) => codes.length === 4,
    );
    const codes = client.all('error').map(({ code }) => code);
    expect(codes).toEqual(['unknown_op', 'invalid_json', 'binary_not_accepted', 'bad_channel']);
    await client.sync();
    client.sendRaw(`"${'x'.repeat(5000)}"`);
    expect(await client.closed()).toBe(1009);
    expect((await get(server, '/healthz')).status).toBe(200);
  });

  it('quarantines and counts absurd trades and takes the good ones beside them', async () => {
    const now = Date.now();
    const good = { symbol: 'PUSHED', id: 1, time: now, price: '10', quantity: '1', side: 'buy' };
    const bad: readonly (readonly [string, Record<string, unknown>])[] = [
      ['bad_price', { price: 'NaN' }],
      ['bad_price', { price: null }],
      ['bad_price', { price: '-1' }],
      ['bad_price', { price: 0 }],
      ['bad_price', { price: '1e5' }],
      ['bad_price', { price: '1000000000000' }],
      ['bad_price', { price: '0.000000001' }],
      ['bad_price', { price: 0.1234567890123 }],
      ['bad_quantity', { quantity: 'Infinity' }],
      ['bad_quantity', { quantity: '-0.5' }],
      ['bad_quantity', { quantity: '0.00000000' }],
      ['bad_time', { time: 1000 }],
      ['bad_time', { time: Date.UTC(3000, 0, 1) }],
      ['bad_time', { time: now + 60_000 }],
      ['bad_time', { time: new Date(now).toISOString() }],
      ['bad_id', { id: -1 }],
      ['bad_id', { id: 1.5 }],
      ['bad_side', { side: 'hold' }],
      ['bad_symbol', { symbol: 'pushed' }],
      ['symbol_taken', { symbol: 'BAD' }],
    ];
    const trades = [good, ...bad.map(([, fields], index) => ({ ...good, id: index + 100, ...fields })), 7, { ...good }];
    const { status, body } = await post(server, { trades });
    expect(status).toBe(200);
    expect({ accepted: body.accepted, duplicates: body.duplicates }).toEqual({ accepted: 1, duplicates: 1 });
    const codes = [...bad.map(([code]) => code), 'bad_shape'];
    expect(body.rejected.map(({ index, code }) => [index, code])).toEqual(
      codes.map((code, index) => [index + 1, code]),
    );
    expect(body.rejected[11]?.reason).toMatch(/time "1000" must be epoch milliseconds between 2009-01-03 and /);
    expect(await metric(server, 'trades_quarantined_total{feed="push",reason="bad_price"}')).toBe(8);
    expect(await metric(server, 'trades_quarantined_total{feed="push",reason="bad_time"}')).toBe(4);

    const huge = { ...good, symbol: 'HUGE', quantity: '600000000000' };
    const over = await post(server, [huge, { ...huge, id: 2 }]);
    expect(over.body.accepted).toBe(1);
    expect(over.body.rejected.map(({ index, code }) => [index, code])).toEqual([[1, 'overflow']]);
  });

  it('takes nothing from a body that is no list of trades', async () => {
    const trade = { symbol: 'BODY', id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
    const statuses = async (body: string, type: string) => (await post(server, body, { 'content-type': type })).status;
    expect(await statuses(JSON.stringify([trade]), 'text/plain')).toBe(415);
    expect(await statuses(JSON.stringify([trade]), 'application/x-www-form-urlencoded')).toBe(415);
    expect(await statuses('[{"price":NaN}]', 'application/json')).toBe(400);
    expect(await statuses('{"trade":[]}', 'application/json')).toBe(400);
    expect(await statuses('nonsense', 'application/x-ndjson')).toBe(400);
    expect(await statuses(JSON.stringify(Array(10_001).fill(1)), 'application/json')).toBe(413);
    expect(await statuses(`"${'x'.repeat(2 ** 20)}"`, 'application/json')).toBe(413);
    expect((await get(server, '/v1/candles?symbol=BODY&interval=1m')).status).toBe(404);
  });

  it('takes no trades from web pages of other sites', async () => {
    const trade = { symbol: 'PAGE', id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
    for (const origin of ['https://evil.example', 'null', `http://127.0.0.1:${server.port + 1}`]) {
      for (const type of ['application/json', 'text/plain', 'application/x-ndjson']) {
        const { status } = await post(server, [trade], { origin, 'content-type': type });
        expect(status, `${origin} ${type}`).toBe(403);
      }
    }
    const preflight = await get(server, '/v1/trades', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    expect(preflight.headers.get('access-control-allow-methods')).toBeNull();
    expect((await get(server, '/v1/candles?symbol=PAGE&interval=1m')).status).toBe(404);
    const own = await post(server, [trade], { origin: server.url });
    expect([own.status, own.body.accepted]).toEqual([200, 1]);
  });
});

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { finished } from 'node:stream/promises';
import pg from 'pg';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../support/database.js';

let database: TestDatabase;
let sql: Sql;
let pool: pg.Pool;

beforeAll(async () => {
  database = await testDatabase();
  sql = database.connect({ max: 4 });
  pool = new pg.Pool({ connectionString: database.url, max: 4 });
  await sql`CREATE TABLE items (id int PRIMARY KEY, note text)`;
});
afterAll(async () => {
  await pool.end();
  await database.stop();
});

describe('two pools at once', () => {
  it('give every query its own answer', async () => {
    const numbers = Array.from({ length: 400 }, (_, i) => i);
    const answers = await Promise.all(
      numbers.map(async (i) => {
        if (i % 4 === 0) return (await sql`SELECT ${i}::int AS n`)[0]?.n;
        if (i % 4 === 1) return (await pool.query('SELECT $1::int AS n', [i])).rows[0].n;
        if (i % 4 === 2)
          return (await pool.query({ name: `named-${i % 7}`, text: `SELECT $1::int AS n /* ${i % 7} */`, values: [i] }))
            .rows[0].n;
        return (await sql.unsafe(`SELECT 0; SELECT ${i} AS n`))[1]?.[0]?.n;
      }),
    );
    expect(answers).toEqual(numbers);
  });

  it('keep same-named prepared statements apart', async () => {
    const [a, b] = await Promise.all([pool.connect(), pool.connect()]);
    const ask = (client: pg.PoolClient, text: string) => client.query({ name: 'same', text });
    const twice = [await ask(a, 'SELECT 1 AS n'), await ask(b, 'SELECT 2 AS n'), await ask(a, 'SELECT 1 AS n')];
    expect(twice.map(({ rows }) => rows[0].n)).toEqual([1, 2, 1]);
    a.release();
    b.release();
  });

  it('get an error each for their own mistakes, and go on', async () => {
    const outcomes = await Promise.allSettled([
      sql`SELECT nope`,
      pool.query('SELECT 1 / $1::int AS n', [0]),
      sql`SELECT 1 AS n`,
      pool.query('SELECT $1::int AS n', [1]),
    ]);
    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'ok'));
    expect(codes).toEqual(['42703', '22012', 'ok', 'ok']);
  });

  it('read a large result in parts with a cursor while others work', async () => {
    let seen = 0;
    for await (const rows of sql`SELECT generate_series(1, 1000) AS n`.cursor(100)) {
      seen += rows.length;
      if (seen === 500) expect(await Promise.race([pool.query('SELECT 1'), 'waiting'])).toBe('waiting');
    }
    expect(seen).toBe(1000);
  });
});

describe('transactions', () => {
  it('have the backend to themselves until they end', async () => {
    const order: string[] = [];
    let other: Promise<unknown> = Promise.resolve();
    await sql.begin(async (tx) => {
      await tx`INSERT INTO items VALUES (1, 'a')`;
      other = pool
        .query('SELECT count(*)::int AS n FROM items')
        .then(({ rows }) => order.push(`other sees ${rows[0].n}`));
      await tx`INSERT INTO items VALUES (2, 'b')`;
      order.push('commit');
    });
    await other;
    expect(order).toEqual(['commit', 'other sees 2']);
  });

  it('are rolled back after an error', async () => {
    const attempt = sql.begin(async (tx) => {
      await tx`INSERT INTO items VALUES (3, 'c')`;
      await tx`INSERT INTO items VALUES (1, 'again')`;
    });
    await expect(attempt).rejects.toMatchObject({ code: '23505' });
    expect(await sql`SELECT FROM items WHERE id = 3`).toHaveLength(0);
  });

  it('of many clients interleave without a lost update', async () => {
    await sql`INSERT INTO items VALUES (10, '0')`;
    const add = async () => {
      const client = await pool.connect();
      await client.query('BEGIN');
      const { rows } = await client.query('SELECT note FROM items WHERE id = 10');
      await client.query('UPDATE items SET note = $1 WHERE id = 10', [String(Number(rows[0].note) + 1)]);
      await client.query('COMMIT');
      client.release();
    };
    await Promise.all(Array.from({ length: 40 }, add));
    expect((await sql`SELECT note FROM items WHERE id = 10`)[0]?.note).toBe('40');
  });

  it('of a client that dies are rolled back, and the others go on', async () => {
    const socket = await rawClient();
    socket.write(query("BEGIN; INSERT INTO items VALUES (20, 'ghost')"));
    await until(socket, (bytes) => bytes.includes('INSERT 0 1'));
    const waiting = pool.query('SELECT count(*)::int AS n FROM items WHERE id = 20');
    socket.destroy();
    expect((await waiting).rows[0].n).toBe(0);
  });

  it('of a client that dies between Flush and Sync are ended', async () => {
    const socket = await rawClient();
    const parse = message('P', '\0INSERT INTO items VALUES (21, null)\0\0\0');
    socket.write(
      Buffer.concat([parse, message('B', '\0\0\0\0\0\0\0\0'), message('E', '\0\0\0\0\0'), message('H', '')]),
    );
    await until(socket, (bytes) => bytes.includes('INSERT 0 1'));
    socket.destroy();
    expect((await pool.query('SELECT 1 AS n')).rows[0].n).toBe(1);
  });

  it('between the description of a statement and its use nobody waits for its client', async () => {
    const socket = await rawClient();
    const step = async (messages: readonly Buffer[], end: string) => {
      socket.write(Buffer.concat(messages));
      return until(socket, (bytes) => bytes.includes(end));
    };
    const described = [message('P', '\0SELECT 40 + $1::int AS n\0\0\0'), message('D', 'S\0'), message('H', '')];
    const used = [message('B', '\0\0\0\0\0\x01\0\0\0\x012\0\0'), message('E', '\0\0\0\0\0'), message('S', '')];
    expect(await step(described, 'T\0')).not.toContain('Z\0\0\0\x05');
    // Also one that uses the unnamed statement itself.
    expect((await pool.query('SELECT $1::int AS n', [1])).rows[0].n).toBe(1);
    expect(await step(used, 'Z\0\0\0\x05I')).toContain('42');
    await step([message('P', '\0SELECT nope\0\0\0'), message('D', 'S\0'), message('H', '')], '42703');
    expect((await pool.query('SELECT 2 AS n')).rows[0].n).toBe(2);
    expect(await step([...used, query('SELECT 5152')], '5152')).not.toContain('42');
    socket.write(query('BEGIN'));
    await until(socket, (bytes) => bytes.includes('Z\0\0\0\x05T'));
    await step(described, 'T\0');
    const waiting = pool.query('SELECT 3 AS n');
    expect(await step([...used, query('COMMIT')], 'Z\0\0\0\x05I')).toContain('42');
    expect((await waiting).rows[0].n).toBe(3);
    socket.destroy();
  });
});

describe('COPY', () => {
  const rows = 60_000;
  /** postgres.js may leave the connection of a finished `readable()` paused for ever, so each gets one of its own. */
  const read = async (options: string): Promise<Buffer> => {
    const chunks: Buffer[] = [];
    const stream = await database.connect({ max: 1 }).unsafe(`COPY copied TO STDOUT ${options}`).readable();
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks);
  };

  it('takes and gives more than a megabyte of text', async () => {
    await sql`CREATE TABLE copied (id int, note text)`;
    const into = await sql`COPY copied FROM STDIN`.writable();
    for (let i = 0; i < rows; i++) into.write(`${i}\tnote number ${i}\n`);
    into.end();
    await finished(into);
    const text = (await read('')).toString();
    expect(text.length).toBeGreaterThan(1_000_000);
    expect(text).toBe(Array.from({ length: rows }, (_, i) => `${i}\tnote number ${i}\n`).join(''));
    expect((await sql`SELECT count(*)::int AS n, sum(id)::float8 AS sum FROM copied`)[0]).toEqual({
      n: rows,
      sum: (rows * (rows - 1)) / 2,
    });
  });

  it('takes what it gave in binary', async () => {
    const all = await read('(FORMAT binary)');
    expect(all.length).toBeGreaterThan(1_000_000);
    await sql`CREATE TABLE copied_again (id int, note text)`;
    const into = await sql`/* all of it */ COPY copied_again FROM STDIN WITH (FORMAT binary)`.writable();
    into.end(all);
    await finished(into);
    expect(await sql`SELECT * FROM copied EXCEPT ALL SELECT * FROM copied_again`).toHaveLength(0);
    expect((await sql`SELECT count(*)::int AS n FROM copied_again`)[0]?.n).toBe(rows);
  });

  it('says what is wrong with the data and leaves nothing behind', async () => {
    const socket = await rawClient();
    socket.write(query('COPY copied FROM STDIN'));
    await until(socket, (bytes) => bytes.includes('G'));
    socket.write(Buffer.concat([message('d', '1\tgood\n'), message('d', 'bad\tbad\n'), message('c', '')]));
    await until(
      socket,
      (bytes) => bytes.includes('invalid input syntax for type integer: "bad"') && bytes.endsWith('I'),
    );
    socket.write(query('SELECT 41 + 1'));
    await until(socket, (bytes) => bytes.includes('42'));
    socket.destroy();
    expect((await sql`SELECT count(*)::int AS n FROM copied`)[0]?.n).toBe(rows);
  });

  it('is given up when the client gives up or dies', async () => {
    const dead = await rawClient();
    dead.write(Buffer.concat([query('COPY copied FROM STDIN'), message('d', '1\thalf\n')]));
    await until(dead, (bytes) => bytes.includes('G'));
    dead.destroy();
    const failing = await rawClient();
    failing.write(
      Buffer.concat([query('COPY copied FROM STDIN'), message('d', '1\thalf\n'), message('f', 'changed my mind\0')]),
    );
    await until(failing, (bytes) => bytes.includes('changed my mind'));
    failing.destroy();
    expect((await sql`SELECT count(*)::int AS n FROM copied`)[0]?.n).toBe(rows);
  });

  it('from STDIN among other statements is refused without harm', async () => {
    const attempt = pool.query('SELECT 1; COPY copied FROM STDIN');
    await expect(attempt).rejects.toThrow(/only as a simple query of its own/);
    expect((await sql`SELECT 1 AS n`)[0]?.n).toBe(1);
  });
});

describe('what belongs to a session', () => {
  it('LISTEN reaches those who listen, until they stop', async () => {
    const heard: string[] = [];
    const { unlisten } = await sql.listen('News', (payload) => heard.push(`postgres ${payload}`));
    const client = await pool.connect();
    client.on('notification', ({ channel, payload }) => heard.push(`pg ${channel} ${payload}`));
    await client.query('LISTEN "News"; LISTEN other');
    await sql.notify('News', 'one');
    await client.query('SELECT 1');
    await unlisten();
    await sql.notify('News', 'two');
    await client.query('UNLISTEN *');
    await sql.notify('News', 'three');
    await client.query('SELECT 1');
    client.release();
    expect(heard.sort()).toEqual(['pg News one', 'pg News two', 'postgres one']);
  });

  it('SET stays with its client', async () => {
    const [a, b] = await Promise.all([pool.connect(), pool.connect()]);
    const zone = async (client: pg.PoolClient) => (await client.query('SHOW TimeZone')).rows[0].TimeZone;
    await a.query(`SET TimeZone TO 'Asia/Tokyo'`);
    await b.query(`SELECT set_config('TimeZone', 'Europe/Rome', false)`);
    expect([await zone(a), await zone(b), (await sql`SHOW TimeZone`)[0]?.TimeZone]).toEqual([
      'Asia/Tokyo',
      'Europe/Rome',
      'UTC',
    ]);
    await a.query('RESET TimeZone');
    expect([await zone(a), await zone(b)]).toEqual(['UTC', 'Europe/Rome']);
    await b.query('RESET ALL');
    expect(await b.query('SHOW search_path').then(({ rows }) => rows[0].search_path)).toBe('"$user", public');
    a.release();
    b.release();
  });

  it('start-up parameters hold for their connection, and a wrong one is refused', async () => {
    const there = database.connect({ max: 1, connection: { TimeZone: 'Asia/Tokyo' } });
    expect((await there`SHOW TimeZone`)[0]?.TimeZone).toBe('Asia/Tokyo');
    expect((await sql`SHOW TimeZone`)[0]?.TimeZone).toBe('UTC');
    const wrong = new pg.Client({ connectionString: database.url, options: '-c TimeZone=Nowhere/AtAll' });
    wrong.on('error', () => {});
    await wrong.connect();
    await expect(wrong.query('SELECT 1')).rejects.toThrow(/TimeZone/);
  });

  it('the unnamed statement outlives other clients', async () => {
    const socket = await rawClient();
    socket.write(Buffer.concat([message('P', '\0SELECT 4711\0\0\0'), message('S', '')]));
    await until(socket, (bytes) => bytes.includes('Z'));
    await pool.query('SELECT $1::int', [1]);
    await sql`SELECT 1`.simple();
    socket.write(Buffer.concat([message('B', '\0\0\0\0\0\0\0\0'), message('E', '\0\0\0\0\0'), message('S', '')]));
    await until(
      socket,
      (bytes) => bytes.includes('4711') && !bytes.slice(bytes.indexOf('Z') + 6).includes('1\0\0\0\x04'),
    );
    socket.destroy();
  });

  it('DISCARD ALL, which would rob the others, is refused', async () => {
    await expect(pool.query('DISCARD ALL')).rejects.toMatchObject({ code: '0A000' });
  });
});

describe('the wire', () => {
  it('declines TLS and goes on in the clear', async () => {
    const socket = connect(socketPath());
    socket.write(Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]));
    expect(String((await once(socket, 'data'))[0])).toBe('N');
    socket.write(startup());
    await until(socket, (bytes) => bytes.includes('server_version'));
    socket.destroy();
  });

  it('hangs up on garbage and stays well', async () => {
    const socket = await rawClient();
    socket.write(message('?', 'what'));
    await until(socket, (bytes) => bytes.includes('protocol violation'));
    await once(socket, 'close');
    expect((await sql`SELECT 1 AS n`)[0]?.n).toBe(1);
  });

  it('skips to Sync after an error in a flushed pipeline', async () => {
    const socket = await rawClient();
    socket.write(Buffer.concat([message('P', '\0SELECT nope\0\0\0'), message('H', '')]));
    await until(socket, (bytes) => bytes.includes('42703'));
    socket.write(
      Buffer.concat([
        message('P', '\0SELECT 5150\0\0\0'),
        message('B', '\0\0\0\0\0\0\0\0'),
        message('E', '\0\0\0\0\0'),
        message('S', ''),
      ]),
    );
    const answer = await until(socket, (bytes) => bytes.endsWith('Z\0\0\0\x05I'));
    expect(answer).not.toContain('5150');
    socket.write(query('SELECT 5151'));
    await until(socket, (bytes) => bytes.includes('5151'));
    socket.destroy();
  });

  it('answers a cancelled query that waits', async () => {
    const holder = await pool.connect();
    await holder.query('BEGIN');
    const waiting = sql`SELECT 1`.execute();
    waiting.cancel();
    await expect(waiting).rejects.toMatchObject({ code: '57014' });
    await holder.query('COMMIT');
    holder.release();
    expect((await sql`SELECT 1 AS n`)[0]?.n).toBe(1);
  });

  it('does what was sent before Terminate', async () => {
    const socket = await rawClient();
    socket.write(Buffer.concat([query("INSERT INTO items VALUES (30, 'last words')"), message('X', '')]));
    socket.resume();
    await once(socket, 'close');
    expect(await sql`SELECT FROM items WHERE id = 30`).toHaveLength(1);
  });
});

function socketPath(): string {
  return `${database.options.host}/.s.PGSQL.5432`;
}

function message(type: string, body: string): Buffer {
  const bytes = Buffer.from(body, 'latin1');
  const header = Buffer.alloc(5);
  header.write(type);
  header.writeInt32BE(4 + bytes.length, 1);
  return Buffer.concat([header, bytes]);
}

function query(text: string): Buffer {
  return message('Q', `${text}\0`);
}

function startup(): Buffer {
  const body = Buffer.from('\0\x03\0\0user\0postgres\0\0', 'latin1');
  const length = Buffer.alloc(4);
  length.writeInt32BE(4 + body.length);
  return Buffer.concat([length, body]);
}

/** A connection with nothing but bytes, ready for queries. */
async function rawClient(): Promise<Socket> {
  const socket = connect(socketPath());
  socket.write(startup());
  await until(socket, (bytes) => bytes.endsWith('Z\0\0\0\x05I'));
  return socket;
}

/** Reads until `done`; all that was read, as latin1. */
async function until(socket: Socket, done: (bytes: string) => boolean): Promise<string> {
  let bytes = '';
  while (!done(bytes)) bytes += (await once(socket, 'data'))[0].toString('latin1');
  return bytes;
}

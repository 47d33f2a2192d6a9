import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../src/kit/log.js';
import { DeadlineError } from '../../src/store/deadline-error.js';
import { openPool } from '../../src/store/relational.js';
import { type AccountsDatabase, accountsDatabase } from '../accounts/support.js';

const SLEEP = 'SELECT pg_sleep(600)';

describe.each(['embedded', 'real'] as const)('the pool on the %s engine', (kind) => {
  let at: AccountsDatabase;

  beforeAll(async () => {
    at = await accountsDatabase(kind);
  });
  afterAll(() => at.stop());

  it('answers rows with the types it promises', async () => {
    const { rows, rowCount } = await at.pool.query(
      `SELECT $1::bigint AS big, $2::timestamp AS plain, $2::timestamptz AS zoned, '2026-03-29'::date AS day,
        12.50::numeric AS exact, '{"a":[1]}'::jsonb AS data, $3::text[] AS list`,
      ['9007199254740991', '2026-03-29T02:30:00.250Z', ['a', 'b"c']],
    );
    const moment = new Date('2026-03-29T02:30:00.250Z');
    const row = { big: 2 ** 53 - 1, plain: moment, zoned: moment, day: '2026-03-29', exact: '12.50' };
    expect([rows, rowCount]).toEqual([[{ ...row, data: { a: [1] }, list: ['a', 'b"c'] }], 1]);
  });

  it('rejects a BIGINT that no number holds', async () => {
    await expect(at.pool.query(`SELECT 9007199254740993::bigint`)).rejects.toThrow(/2\^53/);
  });

  it('goes on after a statement that failed', async () => {
    await expect(at.pool.query('SELECT 1 / 0')).rejects.toThrow(/division by zero/);
    expect((await at.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('has the tables of the data model, each column as it is written there', async () => {
    const { rows } = await at.pool.query<{ line: string }>(
      `SELECT concat_ws(' ', table_name, column_name, data_type, character_maximum_length, is_nullable, column_default) AS line
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name IN ('users', 'subscriptions')
       ORDER BY table_name DESC, ordinal_position`,
    );
    expect(rows.map(({ line }) => line)).toEqual([
      'users id uuid NO',
      'users email character varying 255 NO',
      'users password_hash character varying 255 NO',
      'users created_at timestamp without time zone YES now()',
      'users updated_at timestamp without time zone YES now()',
      `users role character varying 50 YES 'user'::character varying`,
      'users password_version integer NO 0',
      'users issuer character varying 255 YES',
      'users subject character varying 255 YES',
      'subscriptions id uuid NO',
      'subscriptions user_id uuid YES',
      'subscriptions plan character varying 100 NO',
      'subscriptions start_date date NO',
      'subscriptions end_date date YES',
      `subscriptions status character varying 50 YES 'active'::character varying`,
    ]);
  });
});

describe('a pool', () => {
  it('survives the end of connections in use and idle, and gives up a statement without an answer', async () => {
    const at = await accountsDatabase('real');
    const impatient = openPool({ url: at.database.url, log: silentLog, deadlineMs: 500 });
    const ours = `pid <> pg_backend_pid() AND application_name = 'candlecast'`;
    await at.pool.query('SELECT 1');
    await expect(impatient.query(SLEEP)).rejects.toThrow(DeadlineError);
    await impatient.query('SELECT 1');
    const running = at.pool.query(SLEEP).then(
      () => 'answered',
      () => 'failed',
    );
    const other = at.database.connect({ max: 1 });
    while ((await other`SELECT FROM pg_stat_activity WHERE state = 'active' AND query = ${SLEEP}`).length < 2);
    await other.unsafe(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`);
    expect(await running).toBe('failed');
    expect((await at.pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await impatient.close();
    await at.stop();
  });

  it('gives up a server that takes connections and says nothing', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const pool = openPool({ url: `postgres://127.0.0.1:${port}/x`, log: silentLog, max: 1, deadlineMs: 100 });
    // One that connects, and one that waits for its place.
    const results = await Promise.allSettled([pool.query('SELECT 1'), pool.query('SELECT 2')]);
    expect(results.map(({ status, reason }: { status: string; reason?: unknown }) => [status, reason])).toEqual([
      ['rejected', expect.any(DeadlineError)],
      ['rejected', expect.any(DeadlineError)],
    ]);
    await pool.close();
    for (const socket of sockets) socket.destroy();
    server.close();
  });
});

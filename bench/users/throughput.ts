/**
 * Signals a second, from POST on one node until they are at the sockets of their users on another, against bare inserts of rows
 * like them into the same table in the same rounds. Everything shares the machine: the nodes, Redis, PostgreSQL and the load.
 */
import { v7 } from 'uuid';
import type { Pool } from '../../src/store/relational.js';
import { until } from '../cluster/nodes.js';
import { rounds as inRounds, report } from '../support/rounds.js';
import { Stand } from './stand.js';

const TARGET = 0.5;
const BATCH = 1000;
const BATCHES_AT_A_TIME = 2;
const SINGLES_AT_A_TIME = 64;

export interface ThroughputOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly users: number;
}

export async function throughput({ rounds, seconds, users: count }: ThroughputOptions): Promise<void> {
  const stand = await Stand.start();
  try {
    const [inlet, outlet] = [await stand.node('gateway'), await stand.node('gateway')];
    const accounts = await stand.accounts();
    const users = await accounts.make(count);
    const others = (await accounts.make(count)).map(({ id }) => id);
    const [publisher] = await accounts.make(1, { role: 'publisher' });
    if (publisher === undefined) throw new Error('nobody publishes');
    const [sockets, load] = [stand.worker('../users/load/sockets.ts'), stand.worker('../users/load/publisher.ts')];
    const tokens = users.map(({ accessToken }) => accessToken);
    await sockets.ask('connected', { op: 'connect', port: outlet.port, tokens });
    const to = { op: 'flood', port: inlet.port, key: publisher.key, users: users.map(({ id }) => id), seconds };
    let sent = 0;
    const flood = (size: number, atATime: number) => async () => {
      await accounts.sql.query('CHECKPOINT');
      const began = performance.now();
      const { accepted } = await load.ask('flooded', { ...to, size, atATime });
      sent += Number(accepted);
      await until(async () => Number((await sockets.ask('count', { op: 'count' })).signals) >= sent, 5);
      return Number(accepted) / ((performance.now() - began) / 1000);
    };
    const bare = (size: number, atATime: number) => async () => {
      await accounts.sql.query('CHECKPOINT');
      return insertFor(stand.pool(), others, publisher.id, { size, atATime, seconds });
    };
    const results = await inRounds(rounds, {
      'bare, 1000': bare(BATCH, BATCHES_AT_A_TIME),
      'POST to sockets, 1000': flood(BATCH, BATCHES_AT_A_TIME * 2),
      'bare, single': bare(1, SINGLES_AT_A_TIME),
      'POST to sockets, single': flood(1, SINGLES_AT_A_TIME),
    });
    report(`Signals, POST → sockets on another node, ${count} users connected`, results, {
      unit: 'signals/s',
      ratios: [
        ['POST to sockets, 1000', 'bare, 1000', TARGET],
        ['POST to sockets, single', 'bare, single', TARGET],
      ],
    });
  } finally {
    await stand.stop();
  }
}

let place = 0;

/** @returns rows a second */
async function insertFor(
  pool: Pool,
  users: readonly string[],
  publisherId: string,
  { size, atATime, seconds }: { size: number; atATime: number; seconds: number },
): Promise<number> {
  const began = performance.now();
  let inserted = 0;
  const lane = async () => {
    while (performance.now() - began < seconds * 1000) {
      const rows = Array.from({ length: size }, (_, i) => [v7(), users[(inserted + i * 7919) % users.length], ++place]);
      await pool.query(
        `INSERT INTO signals (id, user_id, type, symbol, data, created_at, seq, publisher_id)
         SELECT id, user_id, 'breakout', 'COIN7USDT', $4::jsonb, now(), seq, $5::uuid
         FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS r (id, user_id, seq)`,
        [
          rows.map(([id]) => id),
          rows.map(([, user]) => user),
          rows.map(([, , seq]) => seq),
          JSON.stringify({ price: '8321.50000000', note: 'closed above the range of twenty hours', at: 0 }),
          publisherId,
        ],
      );
      inserted += size;
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return inserted / ((performance.now() - began) / 1000);
}

import fc from 'fast-check';
import type { Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import type { CandleRecord } from '../../src/store/spool/record.js';
import { encodeCopy } from '../../src/store/timescale/batch.js';
import { copyRows } from '../../src/store/timescale/copy.js';
import { Database } from '../../src/store/timescale/database.js';
import { upsertCandles, upsertGap } from '../../src/store/timescale/upsert.js';
import { takePartition } from '../../src/store/timescale/writers.js';
import { realPostgres, type TestDatabase } from '../support/database.js';
import { minute, T0 } from './spool-records.js';

const PARTITIONS = ['p0', 'p1', 'p2'] as const;
type Partition = (typeof PARTITIONS)[number];
type Step = { readonly kind: 'take' | 'upsert' | 'copy' | 'gap' | 'die'; readonly partition: Partition };

let server: TestDatabase;
let sql: Sql;
let nodes: Database[];
let serial = 0;

beforeAll(async () => {
  server = await realPostgres();
  sql = server.connect({ max: 1 });
  nodes = [0, 1].map(() => new Database({ url: server.url, clock: systemClock }));
});
afterAll(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  await server.stop();
});

/** How many rows and gaps there are of an epoch. */
async function counted(database: Sql, epoch: number): Promise<number> {
  const [row] = await database`SELECT ((SELECT count(*) FROM ohlcv WHERE epoch = ${epoch})
    + (SELECT count(*) FROM gaps WHERE epoch = ${epoch}))::int AS n`;
  return row?.n;
}

/** What the run has learnt: the newest epoch of each partition, and how many rows an epoch had when it was superseded. */
class Ledger {
  readonly newest = new Map<Partition, number>();
  readonly closed = new Map<number, number>();
  readonly acknowledged = new Map<number, number>();
  refused = 0;

  wrote(epoch: number, rows: number): void {
    this.acknowledged.set(epoch, (this.acknowledged.get(epoch) ?? 0) + rows);
  }

  /** All older epochs of the partition are closed: what they have now is all that they may ever have. */
  async took(partition: Partition, epoch: number): Promise<void> {
    const old = this.newest.get(partition);
    if (old === undefined || epoch > old) this.newest.set(partition, epoch);
    const closing = Math.min(epoch, old ?? epoch);
    if (closing === epoch && old === undefined) return;
    if (!this.closed.has(closing)) this.closed.set(closing, await counted(sql, closing));
  }
}

function rowsOf(partition: Partition, epoch: number, count: number): CandleRecord[] {
  return Array.from({ length: count }, () => minute(++serial, { symbol: partition }, epoch));
}

/** A node that goes on writing under the epochs it once got, whoever has taken the partitions since. */
async function live(node: Database, name: string, steps: readonly Step[], ledger: Ledger): Promise<void> {
  const own = new Map<Partition, number>();
  for (const { kind, partition } of steps) {
    const epoch = own.get(partition);
    try {
      if (kind === 'take' || epoch === undefined) {
        const taken = await node.run((one) => takePartition(one, partition, name));
        await ledger.took(partition, taken.epoch);
        own.set(partition, taken.epoch);
      } else if (kind === 'die') {
        await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name = 'candlecast' AND random() < 0.5`;
      } else await write(node, kind, partition, epoch, ledger);
    } catch (error) {
      // A connection that was ended: whether its rows are there is not known.
      if (!/WF001/.test(String((error as { code?: unknown }).code))) continue;
      ledger.refused++;
    }
  }
}

async function write(
  node: Database,
  kind: 'upsert' | 'copy' | 'gap',
  partition: Partition,
  epoch: number,
  ledger: Ledger,
): Promise<void> {
  if (kind === 'copy') {
    const rows = rowsOf(partition, epoch, 50);
    const chunks = (await encodeCopy(rows)) ?? [];
    ledger.wrote(epoch, await node.run((one) => copyRows(one, chunks, [epoch])));
    return;
  }
  const gap = { symbol: partition, from: T0, to: T0 + 1, reason: 'test', seq: ++serial };
  const { written, refused } = await node.run((one) =>
    kind === 'gap' ? upsertGap(one, { kind: 'gap', epoch, gap }) : upsertCandles(one, rowsOf(partition, epoch, 5)),
  );
  ledger.wrote(epoch, written);
  ledger.refused += refused.length;
}

const step = fc.record<Step>({
  kind: fc.oneof(
    { weight: 3, arbitrary: fc.constant('take' as const) },
    { weight: 12, arbitrary: fc.constantFrom('upsert', 'copy', 'gap') },
    { weight: 1, arbitrary: fc.constant('die' as const) },
  ),
  partition: fc.constantFrom(...PARTITIONS),
});
const lives = fc.array(step, { minLength: 15, maxLength: 30 });

test('no row of a superseded epoch ever appears, however two writers take turns', async () => {
  let refused = 0;
  let closed = 0;
  await fc.assert(
    fc.asyncProperty(lives, lives, async (one, other) => {
      await sql`TRUNCATE ohlcv, gaps, writers`;
      const ledger = new Ledger();
      const [a, b] = nodes;
      if (a === undefined || b === undefined) throw new TypeError('two nodes');
      await Promise.all([live(a, 'a', one, ledger), live(b, 'b', other, ledger)]);
      for (const [epoch, rows] of ledger.closed) expect([epoch, await counted(sql, epoch)]).toEqual([epoch, rows]);
      for (const [epoch, rows] of ledger.acknowledged) expect(await counted(sql, epoch)).toBeGreaterThanOrEqual(rows);
      refused += ledger.refused;
      closed += ledger.closed.size;
    }),
    { numRuns: 40 },
  );
  expect(refused).toBeGreaterThan(100);
  expect(closed).toBeGreaterThan(100);
});

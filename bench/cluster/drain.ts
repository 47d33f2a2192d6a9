/** How fast the spool of a node drains after the database was away, against the time that its rows stand for. */
import { join } from 'node:path';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { FaultProxy } from '../../test/faults/kit/proxy.js';
import { report } from '../support/rounds.js';
import { post, symbolNames } from './load/pusher.js';
import { Cluster, metricsOf, until } from './nodes.js';

const SYMBOLS = 100;
const MINUTE_MS = 60_000;
const TRADES_A_REQUEST = 4000;
const TARGET = 20;

export async function drain({ rounds, minutes }: { rounds: number; minutes: number }): Promise<void> {
  process.stdout.write(`\nSpool drain: the database is cut off while ${minutes} minutes of ${SYMBOLS} symbols close\n`);
  const cluster = await Cluster.start();
  const proxy = await FaultProxy.to({ path: join(postgresOptions(cluster.database.url).host ?? '', '.s.PGSQL.5432') });
  cluster.keep(() => proxy.stop());
  cluster.databaseUrl = `postgres://postgres@127.0.0.1:${proxy.port}/template1`;
  try {
    const ingest = await cluster.node('ingest');
    await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
    const symbols = symbolNames(SYMBOLS);
    const first = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - (rounds + 2) * (minutes + 5) * MINUTE_MS;
    const times: number[] = [];
    const rates: number[] = [];
    for (let round = -1; round < rounds; round++) {
      const from = first + (round + 1) * minutes * MINUTE_MS;
      proxy.blackhole();
      await push(ingest, symbols, from, minutes);
      const least = SYMBOLS * (minutes - 2);
      await until(async () => ((await metricsOf(ingest)).get('spool_records') ?? 0) >= least);
      const records = (await metricsOf(ingest)).get('spool_records') ?? 0;
      const began = performance.now();
      await proxy.heal();
      await until(async () => (await metricsOf(ingest)).get('spool_records') === 0);
      const seconds = (performance.now() - began) / 1000;
      if (round < 0) continue;
      times.push((minutes * 60) / seconds);
      rates.push(records / seconds);
    }
    report(
      `Spool drain, from the database's return on, ${SYMBOLS} symbols`,
      { 'times real time': times, 'rows/s': rates },
      {
        unit: 'each its own',
        ratios: [],
        floors: [['times real time', TARGET]],
      },
    );
  } finally {
    await cluster.stop();
  }
}

/** Two trades of every symbol in every minute. */
async function push(server: Parameters<typeof post>[0], symbols: readonly string[], from: number, minutes: number) {
  let trades: object[] = [];
  for (let half = 0; half < minutes * 2; half++) {
    const time = from + half * 30_000;
    for (const symbol of symbols)
      trades.push({
        symbol,
        id: time,
        time,
        price: '61234.56',
        quantity: '0.5',
        side: half % 2 === 0 ? 'buy' : 'sell',
      });
    if (trades.length < TRADES_A_REQUEST) continue;
    await post(server, trades);
    trades = [];
  }
  if (trades.length > 0) await post(server, trades);
}

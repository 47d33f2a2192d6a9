import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Sql } from 'postgres';
import { Analytics } from '../../src/analytics/analytics.js';
import type { DailyRow } from '../../src/analytics/database.js';
import { CLICKHOUSE, startEmbeddedClickHouse } from '../../src/analytics/embedded/start.js';
import { systemClock } from '../../src/kit/clock.js';
import { socketDirectory } from '../../src/kit/embedded/socket-directory.js';
import { silentLog } from '../../src/kit/log.js';
import { refreshView } from '../../src/store/refresh.js';

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;
export const MIGRATIONS = fileURLToPath(new URL('../../sql/clickhouse', import.meta.url));

/** A stored minute: open time and decimals as text. */
export interface Minute {
  readonly symbol: string;
  readonly t: number;
  readonly o: string;
  readonly h: string;
  readonly l: string;
  readonly c: string;
  readonly v: string;
  readonly n: number;
}

/** Puts minutes into the table as they are, each with a higher revision than what it replaces. */
export async function store(sql: Sql, minutes: readonly Minute[], revision = 0): Promise<void> {
  const rows = minutes.map(({ symbol, t, o, h, l, c, v, n }) => ({ symbol, t, o, h, l, c, v, n }));
  await sql.unsafe(
    `INSERT INTO ohlcv (symbol, timestamp, open, high, low, close, volume, quote_volume, trade_count, revision)
     SELECT symbol, to_timestamp(t / 1000.0), o, h, l, c, v, c * v, n, $2::int
     FROM json_to_recordset($1::text::json) AS r (symbol text, t bigint, o numeric, h numeric, l numeric, c numeric, v numeric, n bigint)
     ON CONFLICT (symbol, timestamp) DO UPDATE SET (open, high, low, close, volume, quote_volume, trade_count, revision) =
       (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.quote_volume, excluded.trade_count, excluded.revision)`,
    [JSON.stringify(rows), revision],
  );
  const symbols = [...new Set(minutes.map(({ symbol }) => symbol))];
  for (const symbol of symbols)
    await sql`INSERT INTO symbols (symbol, source) VALUES (${symbol}, 'test') ON CONFLICT DO NOTHING`;
}

export const LEVEL_VIEWS = ['ohlcv_5m', 'ohlcv_1h', 'ohlcv_1d', 'ohlcv_1w', 'ohlcv_1mon'] as const;

/** Materialises every level over whole weeks. */
export async function refreshAll(sql: Sql, from: number, to: number): Promise<void> {
  const month = (timeMs: number, add: number): number => {
    const date = new Date(timeMs);
    return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + add, 1);
  };
  for (const view of LEVEL_VIEWS) await refreshView(sql, view, month(from, -1), month(to, 2));
}

/** Days of minutes, by the plainest arithmetic there is: integers of 1e-8 and 1e-16. Without the day that is not over. */
export function foldDays(minutes: readonly Minute[]): Map<string, Omit<DailyRow, 'version'>> {
  const last = new Map<string, number>();
  for (const { symbol, t } of minutes) last.set(symbol, Math.max(last.get(symbol) ?? 0, t + MINUTE_MS));
  const groups = new Map<string, Minute[]>();
  for (const minute of minutes) {
    const key = `${minute.symbol} ${new Date(minute.t).toISOString().slice(0, 10)}`;
    groups.set(key, [...(groups.get(key) ?? []), minute]);
  }
  const days = new Map<string, Omit<DailyRow, 'version'>>();
  for (const [key, group] of groups) {
    const [symbol = '', date = ''] = key.split(' ');
    if (Date.parse(`${date}T00:00:00Z`) + DAY_MS > (last.get(symbol) ?? 0)) continue;
    group.sort((a, b) => a.t - b.t);
    const sum = (of: (minute: Minute) => bigint): bigint => group.reduce((all, minute) => all + of(minute), 0n);
    days.set(key, {
      symbol,
      date,
      open: Number(group[0]?.o),
      high: Math.max(...group.map(({ h }) => Number(h))),
      low: Math.min(...group.map(({ l }) => Number(l))),
      close: Number(group.at(-1)?.c),
      volume: Number(
        decimal(
          sum(({ v }) => units(v)),
          8,
        ),
      ),
      quoteVolume: Number(
        decimal(
          sum(({ c, v }) => units(c) * units(v)),
          16,
        ),
      ),
      trades: group.reduce((all, { n }) => all + n, 0),
    });
  }
  return days;
}

function units(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(8, '0').slice(0, 8));
}

function decimal(value: bigint, scale: number): string {
  const digits = value.toString().padStart(scale + 1, '0');
  return `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** All that `daily_ohlcv` says, without the versions. */
export async function dailyRows(database: Pick<Analytics, 'rows'>): Promise<Map<string, Omit<DailyRow, 'version'>>> {
  const rows = await database.rows<Omit<DailyRow, 'version'>>(
    `SELECT symbol, date, open, high, low, close, volume, quote_volume AS quoteVolume, trades
     FROM daily_ohlcv FINAL ORDER BY symbol, date`,
    {},
  );
  return new Map(rows.map((row) => [`${row.symbol} ${row.date}`, row]));
}

export interface TestAnalytics {
  readonly database: Analytics;
  readonly dataDir: string;
  stop(): Promise<void>;
}

function open(url: string | null, dataDir: string): Analytics {
  return new Analytics({ url, dataDir, migrations: MIGRATIONS, clock: systemClock, log: silentLog });
}

/** The embedded engine, as a server without CLICKHOUSE_URL has it. */
export async function embeddedAnalytics(): Promise<TestAnalytics> {
  const dataDir = await mkdtemp(join(tmpdir(), 'candlecast-ch-test-'));
  const database = open(null, dataDir);
  return {
    database,
    dataDir,
    stop: async () => {
      await database.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A ClickHouse that is reached by TCP: no server can be installed here, so the embedded one stands behind the port. */
export async function servedAnalytics(): Promise<TestAnalytics & { readonly url: string }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'candlecast-ch-test-'));
  const engine = await startEmbeddedClickHouse({ dataDir, log: silentLog });
  const path = join(await socketDirectory(dataDir, CLICKHOUSE), CLICKHOUSE.socket);
  const port = createServer((outside) => {
    const inside = connect(path);
    outside.pipe(inside).pipe(outside);
    for (const socket of [outside, inside]) socket.on('error', () => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(port, 'listening');
  const url = `http://127.0.0.1:${(port.address() as AddressInfo).port}`;
  const database = open(url, dataDir);
  return {
    url,
    database,
    dataDir,
    stop: async () => {
      await database.stop();
      port.close();
      await engine.stop();
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

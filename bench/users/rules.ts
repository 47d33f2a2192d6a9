/**
 * 100,000 rules over 200 symbols that all close at the end of the minute, on a node that serves clients as well: how long until all
 * of them are judged and what fired is stored, and what that does to the feed's latency there.
 */
import postgres from 'postgres';
import { v7 } from 'uuid';
import { postgresOptions } from '../../src/store/embedded/start.js';
import type { Pool } from '../../src/store/relational.js';
import { realMinutes } from '../../test/signals/rules/candles.js';
import { Audience, channels } from '../cluster/load/audience.js';
import { post, symbolNames } from '../cluster/load/pusher.js';
import { type Cluster, metricsOf, until } from '../cluster/nodes.js';
import { pause } from '../cluster/time.js';
import { median, type Results, report } from '../support/rounds.js';
import { condition } from '../support/rules.js';
import { Feed } from './logins.js';
import { Stand } from './stand.js';

const HISTORY = 500;
const PERIOD_MS = 250;
const MINUTE_MS = 60_000;
const GRACE_MS = 2000;
/** Of the feed's latency, around a close. */
const BEFORE_MS = 5000;
const WINDOW_SECONDS = 12;
const TARGET_MS = 1000;
const FEED_TARGET = 1.25;
const minutes = realMinutes();

interface Close {
  readonly p50: number;
  readonly p99: number;
  /** From the first closed candle at a client until every symbol is judged; NaN without rules. */
  readonly judgedMs: number;
  readonly fired: number;
}

export interface RulesOptions {
  /** Measured without and with rules each. */
  readonly closes: number;
  readonly symbols: number;
  /** Of each symbol. */
  readonly rules: number;
}

export async function rules({ closes, symbols: symbolCount, rules: ruleCount }: RulesOptions): Promise<void> {
  const stand = await Stand.start();
  let stopPushing = async (): Promise<void> => {};
  try {
    const symbols = symbolNames(symbolCount);
    await fill(stand.cluster, symbols);
    const ingest = await stand.node('ingest', { COALESCE_MS: '0' });
    const gateway = await stand.node('gateway,signals');
    await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
    stopPushing = push(ingest, symbols);
    const accounts = await stand.accounts();
    const users = (await accounts.make(1000)).map(({ id }) => id);
    const feed = new Feed(stand, ingest, gateway);
    await feed.begin();
    const audience = await Audience.of(gateway.port, channels(symbols, ['1m']));
    const close = (judged: boolean) => atClose(accounts.sql, feed, audience, judged ? symbolCount : 0);
    await close(false);
    const without: Close[] = [];
    while (without.length < closes) without.push(await close(false));
    await insertRules(accounts.sql, users, symbols, ruleCount);
    await until(async () => (await metricsOf(gateway)).get('rule_series_ready') === symbolCount, 100);
    await close(true);
    const withRules: Close[] = [];
    while (withRules.length < closes) withRules.push(await close(true));
    await stopPushing();
    audience.close();
    const figures: Results = {
      'feed p50 without': without.map(({ p50 }) => p50),
      'feed p50 with': withRules.map(({ p50 }) => p50),
      'feed p99 without': without.map(({ p99 }) => p99),
      'feed p99 with': withRules.map(({ p99 }) => p99),
    };
    report(
      `Feed latency around a minute's close, ${symbolCount * ruleCount} rules over ${symbolCount} symbols`,
      figures,
      {
        unit: 'µs',
        below: true,
        ratios: [
          ['feed p99 with', 'feed p99 without', FEED_TARGET],
          ['feed p50 with', 'feed p50 without', null],
        ],
      },
    );
    const took = withRules.map(({ judgedMs }) => judgedMs);
    process.stdout.write(
      `  from the first close at a client until all are judged and stored: ${median(took).toFixed(0)} ms [${Math.min(...took).toFixed(0)} … ${Math.max(...took).toFixed(0)}], ` +
        `target ≤ ${TARGET_MS}: ${median(took) <= TARGET_MS ? 'met' : 'MISSED'}; ${withRules.map(({ fired }) => fired).join(', ')} firings\n`,
    );
  } finally {
    await stopPushing();
    await stand.stop();
  }
}

/** The next close, with the feed's latency from before it until after. `judged`: symbols that have rules. */
async function atClose(sql: Pool, feed: Feed, audience: Audience, judged: number): Promise<Close> {
  // The feed takes two seconds to begin.
  const lead = BEFORE_MS + 2000;
  const end = Math.ceil((Date.now() + lead) / MINUTE_MS) * MINUTE_MS;
  await pause(end + GRACE_MS - lead - Date.now());
  const measuring = feed.measure(WINDOW_SECONDS);
  await pause(end + GRACE_MS - 200 - Date.now());
  audience.closed = [];
  const firedBefore = judged > 0 ? await countSignals(sql) : 0;
  await until(() => audience.closed.length > 0, 1);
  const first = audience.closed[0] ?? 0;
  let judgedMs = Number.NaN;
  if (judged > 0) {
    await until(async () => (await countJudged(sql, end - MINUTE_MS)) === judged, 5);
    judgedMs = Date.now() - first;
  }
  const { p50, p99 } = await measuring;
  return { p50, p99, judgedMs, fired: judged > 0 ? (await countSignals(sql)) - firedBefore : 0 };
}

async function countJudged(sql: Pool, openTime: number): Promise<number> {
  const { rows } = await sql.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM rule_progress WHERE open_time >= $1',
    [openTime],
  );
  return rows[0]?.n ?? 0;
}

async function countSignals(sql: Pool): Promise<number> {
  const { rows } = await sql.query<{ n: number }>('SELECT count(*)::int AS n FROM signals');
  return rows[0]?.n ?? 0;
}

/** Real minutes as those right before now. */
async function fill(cluster: Cluster, symbols: readonly string[]): Promise<void> {
  const sql = postgres(cluster.databaseUrl, { ...postgresOptions(cluster.databaseUrl), max: 1, onnotice: () => {} });
  const last = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - MINUTE_MS;
  const used = minutes.slice(0, HISTORY);
  const at = used.map((_, i) => new Date(last - (HISTORY - 1 - i) * MINUTE_MS).toISOString());
  try {
    await sql`
      INSERT INTO ohlcv (symbol, "timestamp", open, high, low, close, volume, quote_volume, taker_buy_volume,
        taker_buy_quote_volume, trade_count, first_trade_id, last_trade_id, first_trade_time, last_trade_time, revision, seq, epoch)
      SELECT s, at, o, h, l, c, v, 0, 0, 0, 1, 1, 1, at, at, 0, (extract(epoch FROM at)::bigint / 60) * 1048576, 1
      FROM unnest(${[...symbols]}::text[]) AS s, unnest(${at}::timestamptz[], ${used.map(({ open }) => open)}::numeric[],
        ${used.map(({ high }) => high)}::numeric[], ${used.map(({ low }) => low)}::numeric[],
        ${used.map(({ close }) => close)}::numeric[], ${used.map(({ volume }) => volume)}::numeric[]) AS r (at, o, h, l, c, v)`;
    await sql`INSERT INTO symbols (symbol, source) SELECT s, 'push' FROM unnest(${[...symbols]}::text[]) AS s`;
  } finally {
    await sql.end();
  }
}

/** Four trades a second of every symbol, at the prices that really followed; a real minute takes two seconds. */
function push(ingest: Parameters<typeof post>[0], symbols: readonly string[]): () => Promise<void> {
  let id = 1;
  let pushing: Promise<void> | null = null;
  const timer = setInterval(() => {
    if (pushing !== null) return;
    id++;
    const { close: price, volume } = minutes[(HISTORY + Math.floor(id / 8)) % minutes.length] ?? {
      close: '1',
      volume: '1',
    };
    const quantity = Number(volume) > 0 ? volume : '1';
    const time = Date.now();
    const trades = symbols.map((symbol) => ({ symbol, id, time, price, quantity, side: 'buy' }));
    pushing = post(ingest, trades)
      .catch((error: unknown) => void process.stdout.write(`  pushing failed: ${String(error)}\n`))
      .finally(() => {
        pushing = null;
      });
  }, PERIOD_MS);
  return async () => {
    clearInterval(timer);
    await pushing;
  };
}

async function insertRules(
  sql: Pool,
  users: readonly string[],
  symbols: readonly string[],
  count: number,
): Promise<void> {
  const definitions = Array.from({ length: count }, (_, n) => JSON.stringify({ when: condition(n) }));
  const startsAfter = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 2 * MINUTE_MS;
  for (const [s, symbol] of symbols.entries())
    await sql.query(
      `INSERT INTO rules (id, user_id, symbol, "interval", definition, cooldown_ms, starts_after)
       SELECT i, u, $1, '1m', d::jsonb, 0, $5 FROM unnest($2::uuid[], $3::uuid[], $4::text[]) AS r (i, u, d)`,
      [
        symbol,
        definitions.map(() => v7()),
        definitions.map((_, n) => users[(s * 7 + n) % users.length]),
        definitions,
        startsAfter,
      ],
    );
}

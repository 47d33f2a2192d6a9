import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import postgres, { type Sql } from 'postgres';
import { ClickHouse } from '../../src/analytics/clickhouse.js';
import { findEmbeddedClickHouse } from '../../src/analytics/embedded/start.js';
import { runningDatabase } from '../../src/store/embedded/running.js';
import { postgresOptions } from '../../src/store/embedded/start.js';
import { ClosedRecorder } from '../support/closed-recorder.js';
import type { Server } from '../support/server.js';
import { ended, eventually, get, metric, post } from './support.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** Midnight four days ago. */
export const FROM = Math.floor(Date.now() / DAY) * DAY - 4 * DAY;

export function date(day: number): string {
  return new Date(FROM + day * DAY).toISOString().slice(0, 10);
}

export function trade(symbol: string, id: number, time: number, price: string) {
  return { symbol, id, time, price, quantity: '2', side: 'buy' };
}

/** Every trade is new, and what is closed by them is in the table when it resolves. */
export async function pushed(server: Server, trades: readonly object[], collector: string): Promise<void> {
  const { body } = await post(server, { trades }, {}, `?collector=${collector}`);
  if (body.accepted !== trades.length) throw new Error(`not accepted: ${JSON.stringify(body)}`);
  await eventually(
    () => metric(server, 'spool_records'),
    (records) => records === 0,
  );
}

/** What the server's own engine keeps, asked beside the server; the caller closes it. */
export async function clickHouseOf(dataDir: string): Promise<ClickHouse> {
  const place = await findEmbeddedClickHouse(dataDir);
  if (place === null) throw new Error('no embedded ClickHouse runs');
  return new ClickHouse(place);
}

export async function enginePid(dataDir: string): Promise<number> {
  return (JSON.parse(await readFile(join(dataDir, 'clickhouse.lock'), 'utf8')) as { pid: number }).pid;
}

/** The server's embedded database, asked beside it; the caller ends it. */
export async function timescaleOf(dataDir: string): Promise<Sql> {
  const url = (await runningDatabase(dataDir)) ?? '';
  return postgres(url, { ...postgresOptions(url), max: 1, onnotice: () => {} });
}

export interface Rebuilt {
  readonly symbols: number;
  readonly resumedAfter: string | null;
  readonly days: number;
  readonly written: number;
  readonly removed: number;
  readonly holes: readonly { symbol: string; days: readonly string[]; reason: string }[];
}

/** `candlecast analytics rebuild --json`, to its end. */
export async function rebuilt(dataDir: string, ...args: string[]): Promise<{ code: number | null; told: Rebuilt }> {
  const { code, said } = await ended(['analytics', 'rebuild', ...args, '--json'], { DATA_DIR: dataDir });
  return { code, told: JSON.parse(said.slice(said.indexOf('{\n'))) as Rebuilt };
}

/** All that there is, to the version. */
export function allRows(clickHouse: ClickHouse): Promise<unknown[]> {
  return clickHouse.rows('SELECT * FROM daily_ohlcv FINAL ORDER BY symbol, date', {});
}

export function daily(server: Server, symbol: string) {
  return get<{ days: { date: string; close: number }[]; holes: object[]; code?: string }>(
    server,
    `/v1/analytics/daily?symbol=${symbol}&from=${FROM}`,
  );
}

/** A stream of closed minutes, each pushed and received while something else goes on. */
export class LiveStream {
  readonly #server: Server;
  readonly #recorder = new ClosedRecorder('candles:LIV:1m:closed');
  #pushed = 0;

  constructor(server: Server) {
    this.#server = server;
  }

  async start(): Promise<void> {
    await this.#push();
    await this.#recorder.connect(this.#server.port);
  }

  /** Pushes minutes and receives each until `work` has ended, three at least. */
  async beside<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const over = work.finally(() => {
      isOver = true;
    });
    over.catch(() => {});
    for (let n = 0; n < 3 || !isOver; n++) {
      await this.#push();
      await this.#recorder.reach(this.#pushed - 1);
      await pause(250);
    }
    return await over;
  }

  /** What was wrong with it: nothing may be missing, doubled or late. */
  get faults(): readonly string[] {
    return this.#recorder.faults;
  }

  stop(): void {
    this.#recorder.disconnect();
  }

  async #push(): Promise<void> {
    this.#pushed++;
    // Past the grace of the minute before, which it closes.
    const time = FROM + 3 * DAY + (this.#pushed + 0.5) * MINUTE;
    const trades = [trade('LIV', this.#pushed, time, String(100 + this.#pushed))];
    const { body } = await post(this.#server, { trades }, {}, '?collector=liv');
    if (body.accepted !== 1) throw new Error(`not accepted: ${JSON.stringify(body)}`);
  }
}

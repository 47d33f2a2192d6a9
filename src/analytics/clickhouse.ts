import type { Agent } from 'node:http';
import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  type ClickHouseSettings,
  createClient,
} from '@clickhouse/client';
import {
  type AnalyticsDatabase,
  AnalyticsTooLarge,
  AnalyticsUnavailable,
  type DailyRow,
  type NoDay,
  type QueryLimits,
} from './database.js';

const DEFAULT_DEADLINE_MS = 10_000;
const DEFAULT_MEMORY_BYTES = 536_870_912;
const DEFAULT_ROWS = 100_000;
/** The server is to say itself that time is up. */
const PATIENCE_MS = 2000;
const INSERT_DEADLINE_MS = 60_000;
const RETRY_AFTER_SECONDS = 5;
/** Codes of https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp */
const TOO_LARGE: ReadonlyMap<string, AnalyticsTooLarge['limit']> = new Map([
  ['159', 'time'],
  ['160', 'time'],
  ['241', 'memory'],
  ['158', 'rows'],
  ['307', 'rows'],
  ['396', 'rows'],
]);

/** Where a ClickHouse speaks HTTP. */
export interface Place {
  /** May hold a user, a password and a database. */
  readonly url: string;
  /** For a Unix socket. */
  readonly agent?: Agent;
}

/** `@clickhouse/client` as the rest of the analytics uses it. */
export class ClickHouse implements AnalyticsDatabase {
  readonly client: ClickHouseClient;

  constructor({ url, agent }: Place) {
    this.client = createClient({
      url,
      ...(agent === undefined ? {} : { http_agent: agent }),
      request_timeout: INSERT_DEADLINE_MS,
      application: 'candlecast',
      // Errors are thrown, and told where they mean something.
      log: { level: ClickHouseLogLevel.OFF },
    });
  }

  async rows<Row>(
    sql: string,
    params: Readonly<Record<string, unknown>>,
    {
      deadlineMs = DEFAULT_DEADLINE_MS,
      memoryBytes = DEFAULT_MEMORY_BYTES,
      rows = DEFAULT_ROWS,
      blockRows,
    }: QueryLimits = {},
  ): Promise<Row[]> {
    const allowed = { time: deadlineMs, memory: memoryBytes, rows };
    try {
      const result = await this.client.query({
        query: sql,
        format: 'JSONEachRow',
        query_params: { ...params },
        clickhouse_settings: {
          ...settingsOf(allowed),
          ...(blockRows === undefined ? {} : { max_block_size: String(blockRows) }),
        },
        abort_signal: AbortSignal.timeout(deadlineMs + PATIENCE_MS),
      });
      return await result.json<Row>();
    } catch (error) {
      throw explain(error, allowed);
    }
  }

  async insert(rows: readonly DailyRow[]): Promise<void> {
    await this.#write(rows.map(({ quoteVolume, ...row }) => ({ ...row, quote_volume: quoteVolume })));
  }

  async remove(days: readonly NoDay[]): Promise<void> {
    await this.#write(days.map((day) => ({ ...day, is_deleted: 1 })));
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  async #write(values: readonly object[]): Promise<void> {
    if (values.length === 0) return;
    try {
      await this.client.insert({ table: 'daily_ohlcv', values, format: 'JSONEachRow' });
    } catch (error) {
      throw explain(error, { time: INSERT_DEADLINE_MS, memory: DEFAULT_MEMORY_BYTES, rows: values.length });
    }
  }
}

interface Allowed {
  readonly time: number;
  readonly memory: number;
  readonly rows: number;
}

function settingsOf({ time, memory, rows }: Allowed): ClickHouseSettings {
  return {
    readonly: '1',
    max_execution_time: time / 1000,
    max_memory_usage: String(memory),
    max_result_rows: String(rows),
    result_overflow_mode: 'throw',
    output_format_json_quote_64bit_integers: 0,
    // The day is in the key and says the partition: rows of one key are never in two of them.
    do_not_merge_across_partitions_select_final: 1,
    // Of one symbol there are a few rows in each year: to sort them is cheaper than to read them in order.
    optimize_read_in_order: 0,
    // What goes wrong in the middle of an answer is an error, too.
    wait_end_of_query: 1,
  };
}

function explain(error: unknown, allowed: Allowed): unknown {
  if (error instanceof ClickHouseError) {
    const limit = TOO_LARGE.get(error.code);
    return limit === undefined ? error : new AnalyticsTooLarge(limit, allowed[limit], error);
  }
  if (!(error instanceof Error)) return error;
  return new AnalyticsUnavailable(`ClickHouse does not answer: ${error.message}`, RETRY_AFTER_SECONDS, error);
}

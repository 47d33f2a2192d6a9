/** What a query may cost; one that needs more time, memory or rows fails with AnalyticsTooLarge. */
export interface QueryLimits {
  /** Default 10 s. */
  readonly deadlineMs?: number;
  /** Default 512 MiB. */
  readonly memoryBytes?: number;
  /** Of the answer. Default 100,000. */
  readonly rows?: number;
  /** That are worked on at a time by one core. Default 65,536: fewer let more cores share what comes out of a step that is not parallel. */
  readonly blockRows?: number;
}

/** A day of a symbol as `daily_ohlcv` keeps it. */
export interface DailyRow {
  readonly symbol: string;
  /** A UTC day, `2024-01-05`. */
  readonly date: string;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number;
  readonly quoteVolume: number;
  readonly trades: number;
  /** The row with the highest one is the row, whatever the order of arrival: µs since the Unix epoch when it was read from the store. */
  readonly version: number;
}

/** A day that is not to be there. */
export type NoDay = Pick<DailyRow, 'symbol' | 'date' | 'version'>;

/**
 * ClickHouse, a server or the embedded engine. Read `daily_ohlcv` with FINAL. Every method throws AnalyticsUnavailable where there
 * is none at present.
 */
export interface AnalyticsDatabase {
  /**
   * Runs one SELECT that cannot change anything. 64-bit integers come as numbers, Date as `2024-01-05`.
   * @param params for `{name:Type}` in the statement.
   * @throws AnalyticsTooLarge
   */
  rows<Row>(sql: string, params: Readonly<Record<string, unknown>>, limits?: QueryLimits): Promise<Row[]>;
  /** Writes days, any number of times; the rows of one call are written together. */
  insert(rows: readonly DailyRow[]): Promise<void>;
  /** Takes days away, unless a later version of them comes. */
  remove(days: readonly NoDay[]): Promise<void>;
}

/** ClickHouse cannot be asked now; `message` says what to do. */
export class AnalyticsUnavailable extends Error {
  override readonly name = 'AnalyticsUnavailable';

  /** @param retryAfterSeconds null: not before somebody has done something about it. */
  constructor(
    message: string,
    readonly retryAfterSeconds: number | null,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** The query needs more than it may take. */
export class AnalyticsTooLarge extends Error {
  override readonly name = 'AnalyticsTooLarge';

  /** @param allowed milliseconds, bytes or rows */
  constructor(
    readonly limit: 'time' | 'memory' | 'rows',
    readonly allowed: number,
    cause?: unknown,
  ) {
    super(`${WHY[limit](allowed)}: ask for fewer symbols or a shorter time`, { cause });
  }
}

const WHY: Readonly<Record<AnalyticsTooLarge['limit'], (allowed: number) => string>> = {
  time: (ms) => `the query takes more than the ${ms / 1000} s it may`,
  memory: (bytes) => `the query takes more than the ${Math.floor(bytes / 1_048_576)} MiB of memory it may`,
  rows: (rows) => `the answer has more than the ${rows} rows it may`,
};

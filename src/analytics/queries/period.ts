import type { AnalyticsDatabase } from '../database.js';

/** What the queries need of ClickHouse. */
export type Reads = Pick<AnalyticsDatabase, 'rows'>;

/** UTC days, as `2024-01-05`. */
export interface Period {
  /** May be before `from`: returns and windows of the first days look back to it, and no further. */
  readonly since: string;
  readonly from: string;
  /** The day after the last. */
  readonly to: string;
}

export interface Span {
  readonly first: string;
  readonly last: string;
}

import type { Sql } from './database.js';
import { takePartition, type WriterEpoch } from './writers.js';

/** Takes every symbol for this process. */
export function nextEpoch(sql: Sql): Promise<WriterEpoch> {
  return takePartition(sql, 'all', 'local');
}

import type { Sql } from 'postgres';
import { MINUTE_MS } from '../../../src/market/interval.js';
import type { Kline } from '../../support/oracle.js';
import type { Truth } from './truth.js';

const FAULTS_KEPT = 20;

interface Row {
  readonly t: string;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  readonly revision: number;
  readonly epoch: string;
}

/**
 * What is wrong in the table of one symbol: minutes that are missing (up to `until`, exclusive, epoch ms) or differ from
 * the truth, revisions, and rows of an epoch that had a successor already when an earlier minute was written.
 */
export async function tableFaults(sql: Sql, truth: Truth, symbol: string, until: number): Promise<string[]> {
  const rows = await sql<Row[]>`SELECT extract(epoch FROM timestamp) * 1000 AS t, open, high, low, close, volume,
    revision, epoch FROM ohlcv WHERE symbol = ${symbol} ORDER BY timestamp`;
  const faults: string[] = [];
  const kept = (text: string): void => {
    if (faults.length < FAULTS_KEPT) faults.push(`table ${symbol}: ${text}`);
  };
  let due = truth.firstMinute;
  let newestEpoch = 0;
  for (const row of rows) {
    const t = Number(row.t);
    if (t !== due) kept(`${t} where ${due} should be`);
    due = t + MINUTE_MS;
    const wrong = compare(truth, t, row);
    if (wrong !== null) kept(wrong);
    if (row.revision !== 0) kept(`${t} has revision ${row.revision}`);
    if (Number(row.epoch) < newestEpoch) kept(`${t} is of epoch ${row.epoch}, after rows of epoch ${newestEpoch}`);
    newestEpoch = Math.max(newestEpoch, Number(row.epoch));
  }
  if (due < until) kept(`it ends before ${due}, candles up to ${until} were seen closed`);
  return faults;
}

function compare(truth: Truth, t: number, row: Row): string | null {
  const right = truth.minutes[(t - truth.firstMinute) / MINUTE_MS];
  const is: Kline = [t, row.open, row.high, row.low, row.close, row.volume];
  return right !== undefined && right.join() === is.join()
    ? null
    : `${is.join(' ')}, not ${right?.join(' ') ?? 'there'}`;
}

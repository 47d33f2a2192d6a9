import type { Candle, Gap } from '../market/candle.js';
import type { SpoolRecord } from '../store/spool/record.js';
import type { CandleHistory } from '../store/timescale/history.js';
import type { Store } from './store.js';

/** What the bus holds of a symbol that another writer published: its latest minutes, ascending, and gaps. */
export interface Published {
  readonly symbol: string;
  readonly minutes: readonly Candle[];
  readonly gaps: readonly Gap[];
}

/**
 * What a writer published but the database lacks (it died before its spool was drained) is written by its successor, so
 * that whatever a client saw closed stays. Resolves when it is in the database.
 */
export async function adopt(
  published: readonly Published[],
  epoch: number,
  history: CandleHistory,
  { spool, writer }: Store,
): Promise<void> {
  const records: SpoolRecord[] = [];
  for (const one of published) records.push(...(await missing(one, epoch, history)));
  if (records.length === 0) return;
  await spool.append(records);
  await writer.drained();
}

async function missing({ symbol, minutes, gaps }: Published, epoch: number, history: CandleHistory) {
  const first = minutes[0];
  const last = minutes.at(-1);
  const records: SpoolRecord[] = [];
  if (first !== undefined && last !== undefined) {
    const stored = await history.range(symbol, '1m', first.openTime, last.openTime + 1, minutes.length);
    const seqs = new Map(stored.map((candle) => [candle.openTime, candle.seq]));
    for (const candle of minutes)
      if (candle.seq > (seqs.get(candle.openTime) ?? -1)) records.push({ kind: 'candle', epoch, candle });
  }
  if (gaps.length > 0) {
    const known = new Set((await history.gapsSince(symbol, 0)).map(({ seq }) => seq));
    for (const gap of gaps) if (!known.has(gap.seq)) records.push({ kind: 'gap', epoch, gap });
  }
  return records;
}

import { DAY_MS, MINUTE_MS } from '../../market/interval.js';
import { nextSeq } from '../../market/position.js';
import type { SpoolRecord } from '../../store/spool/record.js';
import { forgetGaps, type Hole, missingMinutes, storedAround } from '../../store/timescale/holes.js';
import type { SoleWriter } from '../sole-writer.js';

/** Minutes of one look: some tens of thousands. */
const WINDOW_MS = 30 * DAY_MS;
/** Above the seq of a closed minute and of any correction of it. */
const GAP_OFFSET = 500_000;

/**
 * Makes the gaps of [fromMs, toMs) and of its ends what the table lacks now: what was filled is forgotten, what is missing and not
 * announced yet is announced, with the reason. @returns how many of each
 */
export async function settleGaps(
  { store, epoch, settled }: SoleWriter,
  symbol: string,
  fromMs: number,
  toMs: number,
  reason: string,
): Promise<{ readonly announced: number; readonly filled: number }> {
  const { endBefore, startAfter } = await store.readers.run((sql) => storedAround(sql, symbol, fromMs, toMs));
  let announced = 0;
  let filled = 0;
  // Where what is stored without a hole, and not yet looked at for gaps, began.
  let begin = fromMs;
  let end = endBefore ?? fromMs;
  const note = async (hole: Hole): Promise<void> => {
    filled += await forget(begin, Math.max(begin, hole.from));
    begin = Math.min(hole.to, toMs);
    const known = await store.history.gaps(symbol, hole.from, hole.to);
    if (known.some((gap) => gap.from <= hole.from && gap.to >= hole.to)) return;
    announced++;
    await store.spool.append([toRecord(symbol, hole, epoch, reason)]);
  };
  const forget = async (from: number, to: number): Promise<number> =>
    from < to ? store.readers.run((sql) => forgetGaps(sql, symbol, from, to)) : 0;
  for (let at = fromMs; at < toMs; at += WINDOW_MS) {
    const found = await store.readers.run((sql) => missingMinutes(sql, symbol, at, Math.min(at + WINDOW_MS, toMs)));
    if (found === null) continue;
    if (found.first > end) await note({ from: end, to: found.first });
    for (const hole of found.holes) await note(hole);
    end = found.last + MINUTE_MS;
  }
  if (startAfter !== null && startAfter > end) await note({ from: end, to: startAfter });
  else filled += await forget(begin, end);
  await settled();
  return { announced, filled };
}

function toRecord(symbol: string, { from, to }: Hole, epoch: number, reason: string): SpoolRecord {
  const seq = nextSeq(0, from - MINUTE_MS) + GAP_OFFSET;
  return { kind: 'gap', epoch, gap: { symbol, from, to, reason, seq } };
}

import type { Candle, Gap } from '../market/candle.js';
import { MINUTE_MS } from '../market/interval.js';
import { nextSeq, type Position } from '../market/position.js';
import type { SpoolRecord } from '../store/spool/record.js';
import { awaitFrom, awaitingGaps, endAwaiting } from '../store/timescale/awaited.js';
import type { Sql } from '../store/timescale/database.js';
import type { CandleHistory } from '../store/timescale/history.js';
import { type Hole, missingMinutes, storedAround } from '../store/timescale/holes.js';
import type { Around } from './around.js';
import { type LostMinutes, refetch, unexplained } from './refetch.js';
import type { Store } from './store.js';

/** What the bus holds of a symbol that another writer published: where its minutes stand, under its epoch, the latest of them, ascending, and gaps. */
export interface Published {
  readonly symbol: string;
  /** null: nothing was published. */
  readonly position: Position | null;
  readonly minutes: readonly Candle[];
  readonly gaps: readonly Gap[];
}

const REASON = 'the node that closed these candles died before they were in the database';

/**
 * What a writer published but the database lacks (it died before its spool was drained) is written by its successor, so
 * that whatever a client saw closed stays. The bus holds the latest minutes only: those before them are fetched again where
 * a feed can, and what nobody has is a gap, told to whoever follows the symbol. Resolves when it is in the database.
 */
export async function adopt(
  published: readonly Published[],
  epoch: number,
  around: Around,
  store: Store,
): Promise<void> {
  const newest = new Map(published.map((one) => [one.symbol, newestOf(one)]));
  const records: SpoolRecord[] = [];
  const lost: LostMinutes[] = [];
  for (const one of published) {
    const { records: own, joins } = await missing(one, epoch, store.history);
    records.push(...own);
    if (!joins) lost.push(...(await lostMinutes(one, store)));
  }
  await write(records, store);
  await endAwaited(newest, epoch, store);
  if (lost.length === 0) return;
  around.log.warn(
    { symbols: lost.length, first: lost[0] },
    'closed candles are in the spool of a node that is away only: fetching them again',
  );
  const told = await refetch(around, lost, epoch, store);
  const gaps: Gap[] = [];
  for (const hole of lost) {
    const { symbol } = hole;
    let seq = newest.get(symbol)?.seq ?? 0;
    for (const { from, to } of await unknown(hole, told, store)) {
      seq = nextSeq(seq, 0);
      gaps.push({ symbol, from, to, reason: REASON, seq });
      around.log.error({ symbol, from, to }, 'closed candles are missing: the gap is announced');
    }
  }
  await write(
    gaps.map((gap) => ({ kind: 'gap', epoch, gap })),
    store,
  );
  for (const gap of gaps) {
    const writer = newest.get(gap.symbol)?.epoch ?? epoch;
    if (writer < epoch) await store.readers.run((sql) => awaitFrom(sql, gap, epoch, writer));
  }
}

/** Ends the gaps whose candles have come meanwhile: whatever is read from here on has them. */
async function endAwaited(newest: Map<string, Position>, epoch: number, { readers, history }: Store): Promise<void> {
  for (const gap of await readers.run((sql) => awaitingGaps(sql, [...newest.keys()]))) {
    const { symbol } = gap;
    const others = (await history.gaps(symbol, gap.from, gap.to)).filter(({ seq }) => seq !== gap.seq);
    const holes = await readers.run((sql) => missingIn(sql, symbol, gap));
    if (holes.some((hole) => unexplained(hole, others).length > 0)) continue;
    const before = newest.get(symbol);
    const seq = nextSeq(Math.max(before?.seq ?? 0, gap.seq), 0);
    await readers.run((sql) => endAwaiting(sql, gap, epoch, seq));
    newest.set(symbol, { epoch: before?.epoch ?? 0, seq });
  }
}

async function write(records: readonly SpoolRecord[], { spool, writer }: Store): Promise<void> {
  if (records.length === 0) return;
  await spool.append(records);
  await writer.drained();
}

/** What is not stored; `joins`: the minute before what was published is, or nothing was. */
async function missing(
  { symbol, minutes, gaps }: Published,
  epoch: number,
  history: CandleHistory,
): Promise<{ records: SpoolRecord[]; joins: boolean }> {
  const first = minutes[0];
  const last = minutes.at(-1);
  const records: SpoolRecord[] = [];
  let joins = true;
  if (first !== undefined && last !== undefined) {
    const before = first.openTime - MINUTE_MS;
    const stored = await history.range(symbol, '1m', before, last.openTime + 1, minutes.length + 1);
    const seqs = new Map(stored.map((candle) => [candle.openTime, candle.seq]));
    joins = seqs.has(before);
    for (const candle of minutes)
      if (candle.seq > (seqs.get(candle.openTime) ?? -1)) records.push({ kind: 'candle', epoch, candle });
  }
  if (gaps.length > 0) {
    const known = new Set((await history.gapsSince(symbol, 0)).map(({ seq }) => seq));
    for (const gap of gaps) if (!known.has(gap.seq)) records.push({ kind: 'gap', epoch, gap });
  }
  return { records, joins };
}

/** Between what is stored and what was published, where no gap says why. */
async function lostMinutes({ symbol, minutes, gaps }: Published, store: Store): Promise<LostMinutes[]> {
  const to = minutes[0]?.openTime;
  const last = minutes.at(-1)?.openTime;
  if (to === undefined || last === undefined) return [];
  const { endBefore } = await store.readers.run((sql) => storedAround(sql, symbol, to, to));
  // Of a symbol that has nothing stored nobody knows where it began.
  if (endBefore === null || endBefore >= to) return [];
  const known = [...(await store.history.gaps(symbol, endBefore, to)), ...gaps];
  const holes = unexplained({ from: endBefore, to }, known);
  const from = holes[0]?.from;
  return from === undefined ? [] : [{ symbol, from, to: holes.at(-1)?.to ?? to, end: last + MINUTE_MS }];
}

/** What is still missing of a hole, and what its feed says that it lacks, but for what was announced before. */
async function unknown(
  { symbol, from, to }: LostMinutes,
  told: readonly (Hole & { readonly symbol: string })[],
  { readers, history }: Store,
): Promise<readonly Hole[]> {
  const found = await readers.run((sql) => missingIn(sql, symbol, { from, to }));
  const known = await history.gaps(symbol, from, to);
  const holes = found.flatMap((hole) => unexplained(hole, known));
  const own = told.filter((gap) => gap.symbol === symbol);
  const partly = own.filter((gap) => !holes.some((hole) => hole.from <= gap.from && hole.to >= gap.to));
  return [...holes, ...partly];
}

/** What of [from, to) is not stored. */
async function missingIn(sql: Sql, symbol: string, { from, to }: Hole): Promise<readonly Hole[]> {
  const found = await missingMinutes(sql, symbol, from, to);
  if (found === null) return [{ from, to }];
  const ends = [
    { from, to: found.first },
    { from: found.last + MINUTE_MS, to },
  ];
  return [...ends, ...found.holes].filter((hole) => hole.from < hole.to);
}

/** After everything that was published; its epoch is that of who did. */
function newestOf({ position, minutes, gaps }: Published): Position {
  const seq = [...minutes, ...gaps].reduce((max, one) => Math.max(max, one.seq), position?.seq ?? 0);
  return { epoch: position?.epoch ?? 0, seq };
}

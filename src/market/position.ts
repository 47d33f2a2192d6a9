import { MINUTE_MS } from './interval.js';

/**
 * Position of an event on a channel. `epoch` numbers the writer (it grows with every start of an ingest node);
 * `seq` grows with every closed candle, correction and gap of a symbol and is derived from event time, so that it is
 * the same in memory, in the table and after a restart: the close of minute M has seq M·2^20 (M in minutes since the
 * Unix epoch), corrections and gaps count up from there. All channels of a symbol share it: a 1h candle has the seq of
 * the minute that closed or corrected it. Open-candle updates do not advance it.
 */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

const EVENTS_PER_MINUTE = 2 ** 20;

/** The seq of an event, given the last one of the symbol and the open time of the newest minute it has closed. */
export function nextSeq(lastSeq: number, openTime: number): number {
  return Math.max(lastSeq + 1, (openTime / MINUTE_MS) * EVENTS_PER_MINUTE);
}

/** Open time of the newest minute that had closed when `seq` was given out. */
export function seqMinute(seq: number): number {
  return Math.floor(seq / EVENTS_PER_MINUTE) * MINUTE_MS;
}

import type { Candle, Gap } from '../../market/candle.js';
import type { Interval } from '../../market/interval.js';
import { seqMinute } from '../../market/position.js';

/** How candles and gaps are stored: flat JSON without blanks, so that a script finds a record without parsing it. */

/** Closed candles that a window keeps: an hour of minutes more than what late trades may correct. */
export function windowBound(interval: Interval): number {
  return interval === '1m' ? 120 : 60;
}

/** The first keys are those of REST's candles; then everything else a candle has. */
export function encodeCandle(c: Candle): string {
  return (
    `{"t":${c.openTime},"o":"${c.open}","h":"${c.high}","l":"${c.low}","c":"${c.close}","v":"${c.volume}",` +
    `"n":${c.trades},"x":${c.closed},"r":${c.revision},"q":"${c.quoteVolume}","tb":"${c.takerBuyVolume}",` +
    `"tq":"${c.takerBuyQuoteVolume}","fi":${c.firstTradeId},"li":${c.lastTradeId},"ft":${c.firstTradeTime},` +
    `"lt":${c.lastTradeTime},"seq":${c.seq}}`
  );
}

/** The keys of a stored candle. */
export interface CandleRecord {
  readonly [key: string]: unknown;
}

/** @returns null where it is not what `encodeCandle` makes. */
export function decodeCandle(symbol: string, interval: Interval, r: CandleRecord): Candle | null {
  const { t, o, h, l, c, v, n, x, r: revision, q, tb, tq, fi, li, ft, lt, seq } = r;
  if (!isDecimal(o) || !isDecimal(h) || !isDecimal(l) || !isDecimal(c) || !isDecimal(v)) return null;
  if (!isDecimal(q) || !isDecimal(tb) || !isDecimal(tq) || typeof x !== 'boolean') return null;
  if (!isCount(t) || !isCount(n) || !isCount(revision) || !isCount(seq)) return null;
  if (!isCountOrNull(fi) || !isCountOrNull(li) || !isCountOrNull(ft) || !isCountOrNull(lt)) return null;
  return {
    symbol,
    interval,
    openTime: t,
    open: o,
    high: h,
    low: l,
    close: c,
    volume: v,
    quoteVolume: q,
    takerBuyVolume: tb,
    takerBuyQuoteVolume: tq,
    trades: n,
    firstTradeId: fi,
    lastTradeId: li,
    firstTradeTime: ft,
    lastTradeTime: lt,
    closed: x,
    revision,
    seq,
  };
}

export function encodeWindow(closed: readonly Candle[]): string {
  return `[${closed.map(encodeCandle).join(',')}]`;
}

/** @returns null where it is not what was stored. */
export function decodeWindow(symbol: string, interval: Interval, json: string): Candle[] | null {
  const records = parse(json);
  if (!Array.isArray(records)) return null;
  const candles: Candle[] = [];
  for (const record of records) {
    const candle = isRecord(record) ? decodeCandle(symbol, interval, record) : null;
    if (candle === null) return null;
    candles.push(candle);
  }
  return candles;
}

export function decodeOpen(symbol: string, interval: Interval, json: string): Candle | null {
  const record = parse(json);
  return isRecord(record) ? decodeCandle(symbol, interval, record) : null;
}

/**
 * Whether a window whose candles begin at `from` has to tell of a gap: it reaches into it, or was announced since, maybe long
 * after its time. The scripts know it as well.
 */
export function isNews(gap: Gap, from: number): boolean {
  return gap.to > from || seqMinute(gap.seq) >= from;
}

/** One line; the second number is where the gap ends. */
export function encodeGap({ from, to, seq, reason }: Gap): string {
  return JSON.stringify([from, to, seq, reason]);
}

/** @returns null where a line is not a gap. */
export function decodeGaps(symbol: string, lines: string): Gap[] | null {
  const gaps: Gap[] = [];
  for (const line of lines === '' ? [] : lines.split('\n')) {
    const fields = parse(line);
    if (!Array.isArray(fields) || fields.length !== 4) return null;
    const [from, to, seq, reason] = fields as unknown[];
    if (!isCount(from) || !isCount(to) || !isCount(seq) || typeof reason !== 'string') return null;
    gaps.push({ symbol, from, to, reason, seq });
  }
  return gaps;
}

export function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is CandleRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A whole number from 0. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isCountOrNull(value: unknown): value is number | null {
  return value === null || isCount(value);
}

function isDecimal(value: unknown): value is string {
  return typeof value === 'string' && /^-?\d{1,30}\.\d{1,20}$/.test(value);
}

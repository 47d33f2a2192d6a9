import { Packr } from 'msgpackr';
import type { Candle, Gap } from '../../market/candle.js';

/** What the spool keeps: closed one-minute candles and gaps, with the epoch of the writer that made them. */
export type SpoolRecord = CandleRecord | GapRecord;
export interface CandleRecord {
  readonly kind: 'candle';
  readonly epoch: number;
  readonly candle: Candle;
}
export interface GapRecord {
  readonly kind: 'gap';
  readonly epoch: number;
  readonly gap: Gap;
}

/**
 * Records are MessagePack arrays without field names; the order of the fields is fixed by the version in the segment's
 * header. A piece is one array of records; several pieces may follow each other.
 */
const packr = new Packr({ useRecords: false });
const CANDLE = 0;
const GAP = 1;

type CandleRow = [
  kind: typeof CANDLE,
  epoch: number,
  symbol: string,
  openTime: number,
  open: string,
  high: string,
  low: string,
  close: string,
  volume: string,
  quoteVolume: string,
  takerBuyVolume: string,
  takerBuyQuoteVolume: string,
  trades: number,
  firstTradeId: number | null,
  lastTradeId: number | null,
  firstTradeTime: number | null,
  lastTradeTime: number | null,
  revision: number,
  seq: number,
];
type GapRow = [kind: typeof GAP, epoch: number, symbol: string, from: number, to: number, reason: string, seq: number];

/** @throws TypeError for a candle that is not a closed one-minute candle: nothing else may be spooled. */
export function encodeRecords(records: readonly SpoolRecord[]): Buffer {
  return packr.pack(records.map(toRow));
}

/** The records of consecutive pieces, in order. */
export function decodeRecords(pieces: Buffer): SpoolRecord[] {
  const records: SpoolRecord[] = [];
  packr.unpackMultiple(pieces, (rows) => {
    for (const row of rows as (CandleRow | GapRow)[]) records.push(fromRow(row));
  });
  return records;
}

function toRow(record: SpoolRecord): CandleRow | GapRow {
  if (record.kind === 'gap') {
    const { symbol, from, to, reason, seq } = record.gap;
    return [GAP, record.epoch, symbol, from, to, reason, seq];
  }
  const c = record.candle;
  if (c.interval !== '1m' || !c.closed) throw new TypeError(`only closed 1m candles are spooled, not ${c.interval}`);
  return [
    CANDLE,
    record.epoch,
    c.symbol,
    c.openTime,
    c.open,
    c.high,
    c.low,
    c.close,
    c.volume,
    c.quoteVolume,
    c.takerBuyVolume,
    c.takerBuyQuoteVolume,
    c.trades,
    c.firstTradeId,
    c.lastTradeId,
    c.firstTradeTime,
    c.lastTradeTime,
    c.revision,
    c.seq,
  ];
}

function fromRow(row: CandleRow | GapRow): SpoolRecord {
  if (row[0] === GAP) {
    return {
      kind: 'gap',
      epoch: row[1],
      gap: { symbol: row[2], from: row[3], to: row[4], reason: row[5], seq: row[6] },
    };
  }
  return {
    kind: 'candle',
    epoch: row[1],
    candle: {
      symbol: row[2],
      interval: '1m',
      openTime: row[3],
      open: row[4],
      high: row[5],
      low: row[6],
      close: row[7],
      volume: row[8],
      quoteVolume: row[9],
      takerBuyVolume: row[10],
      takerBuyQuoteVolume: row[11],
      trades: row[12],
      firstTradeId: row[13],
      lastTradeId: row[14],
      firstTradeTime: row[15],
      lastTradeTime: row[16],
      closed: true,
      revision: row[17],
      seq: row[18],
    },
  };
}

/** 500 candles that every server of this bench answers. */
import type { Candle } from '../../../src/market/candle.js';
import type { HotWindow } from '../../../src/market/event.js';
import { MINUTE_MS } from '../../../src/market/interval.js';
import { candleRow } from '../../../src/wire/binance/kline.js';
import { EPOCH, SEQ, sampleCandle } from '../../fanout/servers/host.js';

export const COUNT = 500;
export const SYMBOL = 'B0';
export const PATH = `/api/v3/klines?symbol=${SYMBOL}&interval=1m&limit=${COUNT}`;

const open = sampleCandle(0);
const closed: Candle[] = Array.from({ length: COUNT }, (_, i) => ({
  ...open,
  openTime: open.openTime - (COUNT - i) * MINUTE_MS,
  closed: true,
}));

export const WINDOW: HotWindow = { epoch: EPOCH, seq: SEQ, closed, open, gaps: [] };
export const BODY = `[${[...closed.slice(1), open].map(candleRow).join(',')}]`;

import type { SymbolStatus } from '../market/event.js';
import type { WireCandle } from '../wire/messages.js';
import { byId, setData, setText } from './dom.js';
import { direction, formatChange, formatPrice } from './format.js';
import type { Market } from './market.js';

/** Price and the day's change in the header and in the title of the tab; `day` is today's candle where it is known. */
export function showPrice(market: Market | null, day: WireCandle | undefined): void {
  const last = market?.bars.last;
  const price = market === null || last === undefined ? '' : formatPrice(last.c, market.precision);
  const known = day !== undefined && last !== undefined;
  setText(byId('price'), price);
  setText(byId('change'), known ? formatChange(day.o, last.c) : '');
  setData(byId('change'), 'direction', known ? direction(day.o, last.c) : 'flat');
  const title = market === null ? 'Candlecast' : `${price} ${market.symbol} ${market.interval} · Candlecast`.trim();
  if (document.title !== title) document.title = title;
}

/** Whether the market is made up, and whether its feed has come to an end. */
export function showFeed(status: SymbolStatus | undefined, synthetic: boolean): void {
  byId('synthetic-badge').hidden = !synthetic;
  byId('watermark').hidden = !synthetic;
  byId('feed-ended').hidden = status?.state !== 'ended';
}

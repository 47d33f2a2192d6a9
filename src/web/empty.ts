import type { Link } from './connection.js';
import type { Market } from './market.js';
import type { Action } from './notices.js';

export interface EmptyContent {
  readonly title: string;
  readonly text: string;
  readonly action?: Action;
}

const NO_SYMBOLS =
  'Start the server with a feed, such as FEEDS=demo, or send trades to POST /v1/trades. This page goes on by itself.';

/** What stands in place of the chart; null while there is something to draw. */
export function emptyContent(
  market: Market | null,
  link: Link,
  catalogueLoaded: boolean,
  choose: () => void,
): EmptyContent | null {
  if (market === null) {
    if (catalogueLoaded) return { title: 'No symbols yet', text: NO_SYMBOLS };
    return { title: 'Candlecast', text: 'Connecting to the server…' };
  }
  const { state, symbol } = market;
  switch (state.kind) {
    case 'ready':
      return null;
    case 'empty':
      return { title: `No trades of ${symbol} yet`, text: 'The first candle appears here with the first trade.' };
    case 'loading':
      return { title: symbol, text: link.kind === 'live' ? 'Loading candles…' : 'Connecting to the server…' };
    case 'refused':
      if (state.code !== 'unknown_symbol' && state.code !== 'bad_channel') return refused(market, state);
      return {
        title: `There is no symbol ${symbol}`,
        text: state.message,
        action: { label: 'Choose a symbol', run: choose },
      };
  }
}

function refused(market: Market, state: { message: string; retrying: boolean }): EmptyContent {
  const text = state.retrying ? `${state.message} It is tried again by itself.` : state.message;
  return { title: 'Candles cannot be loaded', text, action: { label: 'Retry', run: () => market.retry() } };
}

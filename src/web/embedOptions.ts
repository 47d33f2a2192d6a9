import { type Interval, isInterval } from '../market/interval.js';
import { isSymbol } from '../market/symbol.js';
import { type IndicatorId, isIndicator } from './indicators.js';

/** What an embedded chart shows. */
export interface EmbedOptions {
  /** null: none is named, or it is malformed. */
  readonly symbol: string | null;
  readonly interval: Interval;
  readonly theme: 'light' | 'dark' | 'auto';
  readonly indicators: readonly IndicatorId[];
}

/** From the address: `?symbol=BTCUSDT&interval=5m&theme=dark&indicators=sma,rsi`; the same after `#`, which may change, goes first. */
export function parseEmbedOptions(search: string, hash: string): EmbedOptions {
  const first = new URLSearchParams(hash.replace(/^#/, ''));
  const second = new URLSearchParams(search);
  const text = (name: string) => first.get(name) ?? second.get(name) ?? '';
  const [symbol, interval, theme] = [text('symbol').toUpperCase(), text('interval'), text('theme')];
  return {
    symbol: isSymbol(symbol) ? symbol : null,
    interval: isInterval(interval) ? interval : '1m',
    theme: theme === 'light' || theme === 'dark' ? theme : 'auto',
    indicators: text('indicators')
      .split(/[\s,]+/)
      .filter(isIndicator),
  };
}

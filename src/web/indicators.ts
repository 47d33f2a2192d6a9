import { BollingerBands, EMA, MACD, RSI, SMA } from 'trading-signals';

export const INDICATOR_IDS = ['sma', 'ema', 'bollinger', 'rsi', 'macd'] as const;
export type IndicatorId = (typeof INDICATOR_IDS)[number];

export interface IndicatorInfo {
  readonly id: IndicatorId;
  /** As people write it. */
  readonly name: string;
  /** Over the candles, or in a pane of its own. */
  readonly place: 'price' | 'own';
  readonly lines: readonly LineInfo[];
}

export interface LineInfo {
  readonly label: string;
  /** A custom property of the style sheet. */
  readonly color: string;
  readonly kind: 'line' | 'histogram';
}

const line = (label: string, color: string, kind: LineInfo['kind'] = 'line'): LineInfo => ({ label, color, kind });

export const INDICATORS: readonly IndicatorInfo[] = [
  { id: 'sma', name: 'SMA 20', place: 'price', lines: [line('SMA 20', '--ind-1')] },
  { id: 'ema', name: 'EMA 50', place: 'price', lines: [line('EMA 50', '--ind-2')] },
  {
    id: 'bollinger',
    name: 'Bollinger 20, 2',
    place: 'price',
    lines: [line('Upper', '--ind-3'), line('Middle', '--ind-3'), line('Lower', '--ind-3')],
  },
  { id: 'rsi', name: 'RSI 14', place: 'own', lines: [line('RSI 14', '--ind-4')] },
  {
    id: 'macd',
    name: 'MACD 12, 26, 9',
    place: 'own',
    lines: [line('Histogram', '--ind-5', 'histogram'), line('MACD', '--ind-1'), line('Signal', '--ind-2')],
  },
];

export function isIndicator(text: string): text is IndicatorId {
  return (INDICATOR_IDS as readonly string[]).includes(text);
}

/** One value a line; null where there is none yet. */
export type Values = readonly (number | null)[];

/** Takes the close of each candle in turn; `replace`: of the same candle again, as it stands now. */
export type Calculation = (close: number, replace: boolean) => Values;

export function calculation(id: IndicatorId): Calculation {
  switch (id) {
    case 'sma':
      return single(new SMA(20));
    case 'ema':
      return from(50, single(new EMA(50)));
    case 'rsi':
      return single(new RSI(14));
    case 'bollinger':
      return bollinger();
    case 'macd':
      return macd();
  }
}

function single(library: { update(value: number, replace: boolean): number | null }): Calculation {
  return (close, replace) => [library.update(close, replace)];
}

/** The library gives values before there are as many candles as the average is over. */
function from(first: number, inner: Calculation): Calculation {
  let count = 0;
  return (close, replace) => {
    const values = inner(close, replace && count > 0);
    if (!replace) count++;
    return count >= first ? values : values.map(() => null);
  };
}

function bollinger(): Calculation {
  const library = new BollingerBands(20, 2);
  return (close, replace) => {
    const bands = library.update(close, replace);
    return [bands?.upper ?? null, bands?.middle ?? null, bands?.lower ?? null];
  };
}

function macd(): Calculation {
  const library = new MACD(new EMA(12), new EMA(26), new EMA(9));
  const inner: Calculation = (close, replace) => {
    const result = library.update(close, replace);
    return [result?.histogram ?? null, result?.macd ?? null, result?.signal ?? null];
  };
  return from(26 + 9 - 1, inner);
}

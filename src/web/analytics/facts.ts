import { h } from '../dom.js';
import type { SymbolFigures } from './api.js';
import { countText, dayText, percent, signedPercent, type Tone, toneOf } from './format.js';

/** The figures above the chart. */
export function showFacts(place: HTMLElement, { daily, drawdown, volatility }: SymbolFigures): void {
  const { cumulativeReturn, maxDrawdown } = drawdown;
  const missing = daily.holes.reduce(
    (days, { from, to }) => days + (Date.parse(to) - Date.parse(from)) / 86_400_000,
    0,
  );
  const hasTwo = daily.days.length > 1;
  place.replaceChildren(
    fact(
      'Return',
      hasTwo ? signedPercent(cumulativeReturn) : '–',
      hasTwo ? 'first close to last' : 'needs 2 days',
      toneOf(hasTwo ? cumulativeReturn : null),
    ),
    maxDrawdown === null
      ? fact('Max drawdown', hasTwo ? '0.00%' : '–', hasTwo ? 'never below a peak' : 'needs 2 days')
      : fact(
          'Max drawdown',
          signedPercent(maxDrawdown.depth),
          `${dayText(maxDrawdown.peak)} to ${dayText(maxDrawdown.trough)}`,
          'down',
        ),
    fact(
      'Recovered',
      maxDrawdown === null ? '–' : maxDrawdown.recovered === null ? 'Not yet' : dayText(maxDrawdown.recovered),
      maxDrawdown === null ? 'no drawdown' : 'close at the old peak',
    ),
    fact(
      'Realised volatility',
      percent(volatility.realised),
      volatility.realised === null ? 'needs 3 days in a row' : 'a year, from closes',
    ),
    fact('Parkinson volatility', percent(volatility.parkinson), 'a year, from highs and lows'),
    fact('Days', String(daily.days.length), missing === 0 ? 'none missing' : `${countText(missing, 'day')} missing`),
  );
}

function fact(name: string, value: string, note: string, tone: Tone = 'flat'): HTMLElement {
  return h('div', {}, h('dt', {}, name), h('dd', { 'data-direction': tone }, value, h('small', {}, note)));
}

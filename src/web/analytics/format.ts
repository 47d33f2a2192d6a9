import { formatDateTime, pricePrecision } from '../format.js';

/** Texts for figures that are numbers. */

const MINUS = '\u2212';
/** Decimals of everything in the table. */
const DECIMALS = 8;
const MAX_FIGURES = 7;

/** 0.0124 is "+1.24%"; null is a dash. */
export function signedPercent(value: number | null, decimals = 2): string {
  if (value === null) return '–';
  const text = `${Math.abs(value * 100).toFixed(decimals)}%`;
  if (Number.parseFloat(text) === 0) return text;
  return `${value < 0 ? MINUS : '+'}${text}`;
}

/** 0.0124 is "1.2%"; null is a dash. */
export function percent(value: number | null): string {
  return value === null ? '–' : `${(value * 100).toFixed(1)}%`;
}

/** "2024-01-05" is "5 Jan 2024". */
export function dayText(date: string): string {
  return formatDateTime(Date.parse(date), true);
}

/** "1 day", "12 days". */
export function countText(count: number, one: string): string {
  return `${count} ${one}${count === 1 ? '' : 's'}`;
}

/** Decimals with which these prices are shown: what they need, but no more figures than tell them apart. */
export function decimalsOf(prices: readonly number[]): number {
  const whole = Math.ceil(Math.log10(Math.max(...prices, Number.MIN_VALUE)));
  const enough = Math.max(2, Math.min(DECIMALS, MAX_FIGURES - whole));
  return pricePrecision(prices.map((price) => price.toFixed(enough)));
}

export type Tone = 'up' | 'down' | 'flat';

export function toneOf(value: number | null): Tone {
  if (value === null || value === 0) return 'flat';
  return value > 0 ? 'up' : 'down';
}

import { formatDecimal, parseDecimal } from '../../kit/decimal.js';

/** "007.50" → "7.5": one text for one number. The text must be a decimal. */
export function canonicalDecimal(text: string): string {
  const value = parseDecimal(text);
  if (value === null) return text;
  return formatDecimal(value.whole, value.fraction).replace(/\.?0+$/, '');
}

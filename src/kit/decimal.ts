/**
 * Exact decimals of DECIMAL(20,8): a value is a pair of doubles, `whole` units and `fraction` units of 1e-8
 * (0 ≤ fraction < 1e8). Both halves stay far below 2^53, so sums and comparisons are exact without BigInt on hot paths.
 */

/** Units of `fraction` in one `whole`. */
export const FRACTION_UNITS = 100_000_000;
/** Values must stay below this many whole units: DECIMAL(20,8) has twelve digits before the point. */
export const WHOLE_LIMIT = 1_000_000_000_000;

export interface Decimal {
  readonly whole: number;
  readonly fraction: number;
}

const MAX_FRACTION_DIGITS = 8;
const ZERO = 48;
const NINE = 57;
const POINT = 46;

/**
 * Parses a plain non-negative decimal such as "0.00141342" or "23".
 * Accepts at most 12 digits before and 8 significant digits after the point (further zeros are fine).
 * @returns the value, or null where the text is not such a number (signs, exponents, NaN, blanks, too many digits).
 */
export function parseDecimal(text: string): Decimal | null {
  const length = text.length;
  if (length === 0 || length > 64) return null;
  let whole = 0;
  let fraction = 0;
  let i = 0;
  for (; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code === POINT) break;
    if (code < ZERO || code > NINE) return null;
    whole = whole * 10 + (code - ZERO);
    if (whole >= WHOLE_LIMIT) return null;
  }
  const wholeDigits = i;
  if (i < length) {
    i++;
    const start = i;
    for (; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code < ZERO || code > NINE) return null;
      if (i - start < MAX_FRACTION_DIGITS) fraction = fraction * 10 + (code - ZERO);
      else if (code !== ZERO) return null;
    }
    const digits = i - start;
    if (digits === 0) return null;
    for (let d = digits; d < MAX_FRACTION_DIGITS; d++) fraction *= 10;
  }
  if (wholeDigits === 0) return null;
  return { whole, fraction };
}

/** Formats with all eight decimals, the form the database and the exchanges use: "0.00141342". */
export function formatDecimal(whole: number, fraction: number): string {
  return `${whole}.${pad8(fraction)}`;
}

function pad8(fraction: number): string {
  return String(FRACTION_UNITS + fraction).slice(1);
}

/** Formats a sum of products: `whole` units, then two limbs of eight digits: sixteen decimals, exact. */
export function formatProduct(whole: bigint | number, middle: number, low: number): string {
  return `${whole}.${pad8(middle)}${pad8(low)}`;
}

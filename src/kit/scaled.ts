/** Decimals as integers of their last digit, for sums and differences that must be exact and need not be fast. */

/** "1.50000000" → 150000000n: the digits without the point. The text is a plain decimal, such as those of candles. */
export function toScaled(text: string): bigint {
  return BigInt(text.replace('.', ''));
}

/** The opposite, with so many digits after the point. */
export function fromScaled(value: bigint, decimals: number): string {
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, '0');
  const sign = value < 0n ? '-' : '';
  return decimals === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

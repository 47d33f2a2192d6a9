/** One trade as the engine folds it. */

export type TakerSide = 'buy' | 'sell';

/**
 * Price and quantity are exact: `…Whole` units plus `…Fraction` units of 1e-8 (see kit/decimal).
 * The identity of a trade is (symbol, id); a re-delivery carries the same event time.
 */
export interface Trade {
  readonly symbol: string;
  /** Venue trade id: a safe integer, ascending with time within a symbol as far as the venue keeps to it. */
  readonly id: number;
  /** Event time at the venue, epoch ms. */
  readonly time: number;
  readonly priceWhole: number;
  readonly priceFraction: number;
  readonly quantityWhole: number;
  readonly quantityFraction: number;
  readonly takerSide: TakerSide;
}

/** A synthetic market. `tick` and `step` are in units of 1e-8. */
export interface Market {
  readonly symbol: string;
  /** Price around which it wanders. */
  readonly price: number;
  readonly tick: number;
  /** Median quantity of a trade, and the step quantities are rounded to. */
  readonly quantity: number;
  readonly step: number;
  /** Mean trades a second. */
  readonly rate: number;
  /** Standard deviation of a quiet minute's return. */
  readonly sigma: number;
}

/** The quote DEMO exists nowhere, so that these can never be taken for real markets. The last one has minutes without trades. */
export const MARKETS: readonly Market[] = [
  market('BTCDEMO', 64_000, 1_000_000, 0.012, 1_000, 6, 0.00045),
  market('ETHDEMO', 3_200, 1_000_000, 0.18, 10_000, 4, 0.00055),
  market('SOLDEMO', 148, 1_000_000, 4, 1_000_000, 2.2, 0.0008),
  market('XRPDEMO', 0.58, 10_000, 420, 10_000_000, 1.4, 0.0007),
  market('DOGEDEMO', 0.124, 1_000, 1_900, 100_000_000, 0.9, 0.0009),
  market('LINKDEMO', 14.2, 100_000, 24, 1_000_000, 0.5, 0.0008),
  market('PEPEDEMO', 0.00001184, 1, 9_000_000, 100_000_000, 0.4, 0.0014),
  market('XMRDEMO', 161, 1_000_000, 1.4, 100_000, 0.008, 0.0005),
];

function market(
  symbol: string,
  price: number,
  tick: number,
  quantity: number,
  step: number,
  rate: number,
  sigma: number,
): Market {
  return { symbol, price, tick, quantity, step, rate, sigma };
}

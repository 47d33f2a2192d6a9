import { hash } from './random.js';

/**
 * The price as a function of time alone: value noise in octaves of doubling period, each with an amplitude that grows
 * with the square root of its period, so that the sum looks like Brownian motion at every zoom but stays near its base.
 */

/** Octaves of the price: periods of 2^0 to 2^14 minutes (11 days). */
const PRICE_OCTAVES = 15;
/** Octaves up to here breathe with the volatility: calm and wild hours. */
const BREATHING_OCTAVES = 7;
/** Octaves of the volatility: periods of 16 minutes to 17 hours. */
const VOLATILITY_FROM = 4;
const VOLATILITY_TO = 10;
const VOLATILITY_AMPLITUDE = 0.45;
const VOLATILITY_SEED = 0x5eed;
const TO_SIGNED = 2 ** -31;

/** Relative volatility at a minute: around 1, between about 0.3 and 3. */
export function volatilityAt(seed: number, minute: number): number {
  let sum = 0;
  for (let octave = VOLATILITY_FROM; octave <= VOLATILITY_TO; octave++)
    sum += noise(seed ^ VOLATILITY_SEED, octave, minute);
  return Math.exp(sum * VOLATILITY_AMPLITUDE);
}

/** Logarithm of price over base at the start of a minute (minutes since the epoch). `sigma`: see Market. */
export function levelAt(seed: number, minute: number, sigma: number): number {
  const volatility = volatilityAt(seed, minute);
  let sum = 0;
  for (let octave = 0; octave < PRICE_OCTAVES; octave++) {
    const amplitude = sigma * Math.sqrt(2 ** octave) * (octave < BREATHING_OCTAVES ? volatility : 1);
    sum += amplitude * noise(seed, octave, minute);
  }
  return sum;
}

/** In [-1, 1): random at the multiples of 2^octave minutes, straight between them. */
function noise(seed: number, octave: number, minute: number): number {
  const period = 2 ** octave;
  const cell = Math.floor(minute / period);
  const part = minute / period - cell;
  const left = hash(seed, octave, cell) * TO_SIGNED - 1;
  if (part === 0) return left;
  return left + (hash(seed, octave, cell + 1) * TO_SIGNED - 1 - left) * part;
}

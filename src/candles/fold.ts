import { FRACTION_UNITS, formatDecimal, formatProduct, parseDecimal, WHOLE_LIMIT } from '../kit/decimal.js';
import type { Candle } from '../market/candle.js';
import type { Interval } from '../market/interval.js';
import type { Trade } from '../market/trade.js';

/**
 * The arithmetic of candles. A candle under construction is a slot: SLOT_SIZE doubles at an offset of a Float64Array,
 * so that a fold touches one stretch of memory and allocates nothing. Decimals are pairs (whole, fraction of 1e-8);
 * quote volumes are four limbs in base 1e8 (units of 1e-16, 1e-8, 1, 1e8): exact far beyond 2^53.
 * Open and close follow (time, id), so the order in which trades are folded does not matter.
 */
export const SLOT_SIZE = 32;

export const OPEN_TIME = 0;
export const TRADES = 1;
export const OPEN = 2;
export const HIGH = 4;
export const LOW = 6;
export const CLOSE = 8;
export const VOLUME = 10;
export const TAKER_VOLUME = 12;
export const QUOTE = 14;
export const TAKER_QUOTE = 18;
export const FIRST_TIME = 22;
export const FIRST_ID = 23;
export const LAST_TIME = 24;
export const LAST_ID = 25;
export const REVISION = 26;
export const SEQ = 27;
/** 1 once the slot holds prices (of trades or flat), else 0. */
export const FILLED = 28;

/** Below this both factors' whole parts keep every partial product under 2^52. */
const FAST_WHOLE = 2 ** 24;
/** Quote sums stay below 9e15 units of 1e8, what NUMERIC(40,16) holds as well. */
const QUOTE_TOP_LIMIT = 9e15;
const EXACT = Number.MAX_SAFE_INTEGER;

export function clearSlot(slots: Float64Array, at: number, openTime: number): void {
  slots.fill(0, at, at + SLOT_SIZE);
  slots[at + OPEN_TIME] = openTime;
}

/** Makes the slot flat at the close of another: volume 0, no trades. */
export function fillFlat(slots: Float64Array, at: number, from: Float64Array, fromAt: number): void {
  for (let field = OPEN; field <= CLOSE; field += 2) {
    slots[at + field] = num(from, fromAt + CLOSE);
    slots[at + field + 1] = num(from, fromAt + CLOSE + 1);
  }
  slots[at + FILLED] = 1;
}

/** @returns false, with nothing changed, where a sum would leave DECIMAL(20,8) or NUMERIC(40,16). */
export function foldTrade(slots: Float64Array, at: number, trade: Trade): boolean {
  const quantityWhole = trade.quantityWhole;
  const quantityFraction = trade.quantityFraction;
  if (num(slots, at + VOLUME) + quantityWhole + 1 >= WHOLE_LIMIT) return false;
  multiply(trade.priceWhole, trade.priceFraction, quantityWhole, quantityFraction);
  if (num(slots, at + QUOTE + 3) + product3 >= QUOTE_TOP_LIMIT) return false;

  const trades = num(slots, at + TRADES);
  if (trades === 0) {
    setPrices(slots, at, trade);
  } else {
    extendPrices(slots, at, trade);
  }
  slots[at + TRADES] = trades + 1;
  addPair(slots, at + VOLUME, quantityWhole, quantityFraction);
  addProduct(slots, at + QUOTE);
  if (trade.takerSide === 'buy') {
    addPair(slots, at + TAKER_VOLUME, quantityWhole, quantityFraction);
    addProduct(slots, at + TAKER_QUOTE);
  }
  return true;
}

function setPrices(slots: Float64Array, at: number, trade: Trade): void {
  for (let field = OPEN; field <= CLOSE; field += 2) {
    slots[at + field] = trade.priceWhole;
    slots[at + field + 1] = trade.priceFraction;
  }
  slots[at + FIRST_TIME] = trade.time;
  slots[at + FIRST_ID] = trade.id;
  slots[at + LAST_TIME] = trade.time;
  slots[at + LAST_ID] = trade.id;
  slots[at + FILLED] = 1;
}

function extendPrices(slots: Float64Array, at: number, trade: Trade): void {
  const whole = trade.priceWhole;
  const fraction = trade.priceFraction;
  const time = trade.time;
  const id = trade.id;
  const lastTime = num(slots, at + LAST_TIME);
  if (time > lastTime || (time === lastTime && id > num(slots, at + LAST_ID))) {
    slots[at + CLOSE] = whole;
    slots[at + CLOSE + 1] = fraction;
    slots[at + LAST_TIME] = time;
    slots[at + LAST_ID] = id;
  } else {
    const firstTime = num(slots, at + FIRST_TIME);
    if (time < firstTime || (time === firstTime && id < num(slots, at + FIRST_ID))) {
      slots[at + OPEN] = whole;
      slots[at + OPEN + 1] = fraction;
      slots[at + FIRST_TIME] = time;
      slots[at + FIRST_ID] = id;
    }
  }
  const highWhole = num(slots, at + HIGH);
  if (whole > highWhole || (whole === highWhole && fraction > num(slots, at + HIGH + 1))) {
    slots[at + HIGH] = whole;
    slots[at + HIGH + 1] = fraction;
  }
  const lowWhole = num(slots, at + LOW);
  if (whole < lowWhole || (whole === lowWhole && fraction < num(slots, at + LOW + 1))) {
    slots[at + LOW] = whole;
    slots[at + LOW + 1] = fraction;
  }
}

/** Appends a later candle to an earlier one (the slot at `at`), as a longer interval does with its children. */
export function mergeLater(slots: Float64Array, at: number, later: Float64Array, laterAt: number): void {
  if (num(later, laterAt + FILLED) === 0) return;
  if (num(slots, at + FILLED) === 0) {
    const openTime = num(slots, at + OPEN_TIME);
    slots.set(later.subarray(laterAt, laterAt + SLOT_SIZE), at);
    slots[at + OPEN_TIME] = openTime;
    return;
  }
  if (comparePair(later, laterAt + HIGH, slots, at + HIGH) > 0) copyPair(slots, at + HIGH, later, laterAt + HIGH);
  if (comparePair(later, laterAt + LOW, slots, at + LOW) < 0) copyPair(slots, at + LOW, later, laterAt + LOW);
  copyPair(slots, at + CLOSE, later, laterAt + CLOSE);
  const trades = num(later, laterAt + TRADES);
  if (trades > 0) {
    if (num(slots, at + TRADES) === 0) copyPair(slots, at + FIRST_TIME, later, laterAt + FIRST_TIME);
    copyPair(slots, at + LAST_TIME, later, laterAt + LAST_TIME);
    slots[at + TRADES] = num(slots, at + TRADES) + trades;
    addPair(slots, at + VOLUME, num(later, laterAt + VOLUME), num(later, laterAt + VOLUME + 1));
    addPair(slots, at + TAKER_VOLUME, num(later, laterAt + TAKER_VOLUME), num(later, laterAt + TAKER_VOLUME + 1));
    addLimbs(slots, at + QUOTE, later, laterAt + QUOTE);
    addLimbs(slots, at + TAKER_QUOTE, later, laterAt + TAKER_QUOTE);
  }
  slots[at + REVISION] = num(slots, at + REVISION) + num(later, laterAt + REVISION);
  if (num(later, laterAt + SEQ) > num(slots, at + SEQ)) slots[at + SEQ] = num(later, laterAt + SEQ);
}

/** The slot as an immutable candle. */
export function toCandle(
  slots: Float64Array,
  at: number,
  symbol: string,
  interval: Interval,
  openTime: number,
  closed: boolean,
): Candle {
  const trades = num(slots, at + TRADES);
  return {
    symbol,
    interval,
    openTime,
    open: pairText(slots, at + OPEN),
    high: pairText(slots, at + HIGH),
    low: pairText(slots, at + LOW),
    close: pairText(slots, at + CLOSE),
    volume: pairText(slots, at + VOLUME),
    quoteVolume: limbsText(slots, at + QUOTE),
    takerBuyVolume: pairText(slots, at + TAKER_VOLUME),
    takerBuyQuoteVolume: limbsText(slots, at + TAKER_QUOTE),
    trades,
    firstTradeId: trades === 0 ? null : num(slots, at + FIRST_ID),
    lastTradeId: trades === 0 ? null : num(slots, at + LAST_ID),
    firstTradeTime: trades === 0 ? null : num(slots, at + FIRST_TIME),
    lastTradeTime: trades === 0 ? null : num(slots, at + LAST_TIME),
    closed,
    revision: num(slots, at + REVISION),
    seq: num(slots, at + SEQ),
  };
}

/** Fills a slot from a stored candle. @throws RangeError where a decimal of it does not parse. */
export function fromCandle(slots: Float64Array, at: number, candle: Candle): void {
  clearSlot(slots, at, candle.openTime);
  parsePair(slots, at + OPEN, candle.open);
  parsePair(slots, at + HIGH, candle.high);
  parsePair(slots, at + LOW, candle.low);
  parsePair(slots, at + CLOSE, candle.close);
  parsePair(slots, at + VOLUME, candle.volume);
  parsePair(slots, at + TAKER_VOLUME, candle.takerBuyVolume);
  parseLimbs(slots, at + QUOTE, candle.quoteVolume);
  parseLimbs(slots, at + TAKER_QUOTE, candle.takerBuyQuoteVolume);
  slots[at + TRADES] = candle.trades;
  slots[at + FIRST_TIME] = candle.firstTradeTime ?? 0;
  slots[at + FIRST_ID] = candle.firstTradeId ?? 0;
  slots[at + LAST_TIME] = candle.lastTradeTime ?? 0;
  slots[at + LAST_ID] = candle.lastTradeId ?? 0;
  slots[at + REVISION] = candle.revision;
  slots[at + SEQ] = candle.seq;
  slots[at + FILLED] = 1;
}

/** The product of the last `multiply`, in limbs of base 1e8; module state so that a fold allocates nothing. */
let product0 = 0;
let product1 = 0;
let product2 = 0;
let product3 = 0;

function multiply(aWhole: number, aFraction: number, bWhole: number, bFraction: number): void {
  if (aWhole >= FAST_WHOLE || bWhole >= FAST_WHOLE) {
    multiplyLarge(aWhole, aFraction, bWhole, bFraction);
    return;
  }
  let low = aFraction * bFraction;
  let carry: number;
  if (low <= EXACT) {
    carry = Math.floor(low / FRACTION_UNITS);
    low -= carry * FRACTION_UNITS;
  } else {
    const aHigh = Math.floor(aFraction / 10_000);
    const upper = aHigh * bFraction;
    const upperHigh = Math.floor(upper / 10_000);
    low = (upper - upperHigh * 10_000) * 10_000 + (aFraction - aHigh * 10_000) * bFraction;
    carry = Math.floor(low / FRACTION_UNITS);
    low -= carry * FRACTION_UNITS;
    carry += upperHigh;
  }
  product0 = low;
  const middle = carry + aWhole * bFraction + aFraction * bWhole;
  carry = Math.floor(middle / FRACTION_UNITS);
  product1 = middle - carry * FRACTION_UNITS;
  const top = carry + aWhole * bWhole;
  product3 = Math.floor(top / FRACTION_UNITS);
  product2 = top - product3 * FRACTION_UNITS;
}

const BASE = BigInt(FRACTION_UNITS);

function multiplyLarge(aWhole: number, aFraction: number, bWhole: number, bFraction: number): void {
  let rest = (BigInt(aWhole) * BASE + BigInt(aFraction)) * (BigInt(bWhole) * BASE + BigInt(bFraction));
  product0 = Number(rest % BASE);
  rest /= BASE;
  product1 = Number(rest % BASE);
  rest /= BASE;
  product2 = Number(rest % BASE);
  product3 = Number(rest / BASE);
}

function addProduct(slots: Float64Array, at: number): void {
  addFour(slots, at, product0, product1, product2, product3);
}

function addLimbs(slots: Float64Array, at: number, from: Float64Array, fromAt: number): void {
  addFour(slots, at, num(from, fromAt), num(from, fromAt + 1), num(from, fromAt + 2), num(from, fromAt + 3));
}

function addFour(slots: Float64Array, at: number, a0: number, a1: number, a2: number, a3: number): void {
  let limb0 = num(slots, at) + a0;
  let limb1 = num(slots, at + 1) + a1;
  let limb2 = num(slots, at + 2) + a2;
  let limb3 = num(slots, at + 3) + a3;
  if (limb0 >= FRACTION_UNITS) {
    limb0 -= FRACTION_UNITS;
    limb1 += 1;
  }
  if (limb1 >= FRACTION_UNITS) {
    limb1 -= FRACTION_UNITS;
    limb2 += 1;
  }
  if (limb2 >= FRACTION_UNITS) {
    limb2 -= FRACTION_UNITS;
    limb3 += 1;
  }
  slots[at] = limb0;
  slots[at + 1] = limb1;
  slots[at + 2] = limb2;
  slots[at + 3] = limb3;
}

function addPair(slots: Float64Array, at: number, whole: number, fraction: number): void {
  let wholeSum = num(slots, at) + whole;
  let fractionSum = num(slots, at + 1) + fraction;
  if (fractionSum >= FRACTION_UNITS) {
    fractionSum -= FRACTION_UNITS;
    wholeSum += 1;
  }
  slots[at] = wholeSum;
  slots[at + 1] = fractionSum;
}

function comparePair(a: Float64Array, aAt: number, b: Float64Array, bAt: number): number {
  return num(a, aAt) - num(b, bAt) || num(a, aAt + 1) - num(b, bAt + 1);
}

function copyPair(to: Float64Array, toAt: number, from: Float64Array, fromAt: number): void {
  to[toAt] = num(from, fromAt);
  to[toAt + 1] = num(from, fromAt + 1);
}

function pairText(slots: Float64Array, at: number): string {
  return formatDecimal(num(slots, at), num(slots, at + 1));
}

function limbsText(slots: Float64Array, at: number): string {
  const top = num(slots, at + 3);
  const units = num(slots, at + 2);
  const whole = top < FAST_WHOLE ? top * FRACTION_UNITS + units : BigInt(top) * BASE + BigInt(units);
  return formatProduct(whole, num(slots, at + 1), num(slots, at));
}

function parsePair(slots: Float64Array, at: number, text: string): void {
  const [whole = '', fraction = ''] = text.split('.');
  const value = parseDecimal(`0.${fraction.padEnd(8, '0')}`);
  const units = Number(whole);
  if (value === null || !Number.isSafeInteger(units)) throw new RangeError(`not a decimal of a candle: ${text}`);
  slots[at] = units;
  slots[at + 1] = value.fraction;
}

function parseLimbs(slots: Float64Array, at: number, text: string): void {
  const [whole = '', fraction = ''] = text.split('.');
  const digits = fraction.padEnd(16, '0');
  const units = BigInt(whole);
  slots[at] = Number(digits.slice(8, 16));
  slots[at + 1] = Number(digits.slice(0, 8));
  slots[at + 2] = Number(units % BASE);
  slots[at + 3] = Number(units / BASE);
}

/** Element access for a caller that keeps its own bounds: `noUncheckedIndexedAccess` has no better form for typed arrays. */
function num(slots: Float64Array, at: number): number {
  return slots[at] as number;
}

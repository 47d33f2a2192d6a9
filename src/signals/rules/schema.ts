import { z } from 'zod';
import { parseDecimal } from '../../kit/decimal.js';
import { DAY_MS, INTERVALS } from '../../market/interval.js';
import { SYMBOL_PATTERN, SYMBOL_RULE } from '../../market/symbol.js';
import { LAST_TIME } from '../../wire/signals.js';
import { isStorable, STORABLE_RULE } from '../../wire/storable.js';
import { canonicalDecimal } from './canonical.js';

/** What a user may ask for. Limits bound the work of a candle and the history an indicator needs. */
export const RULE_LIMITS = {
  /** Nesting of all/any. */
  depth: 4,
  /** Conditions of a rule, not counting all/any. */
  leaves: 20,
  nameLength: 100,
  dataBytes: 2048,
  dataDepth: 8,
  cooldownMs: 366 * DAY_MS,
  /** Of averages, bands and percentage changes, in candles. */
  period: 500,
  /** Of Wilder's averages, which look back twice as far, and of MACD, which smooths twice. */
  smoothedPeriod: 200,
} as const;

const COMPARISONS = ['above', 'below', 'crosses_above', 'crosses_below'] as const;
/** `above`: greater at this close; `crosses_above`: greater at this close, and not at the one before. */
export type Comparison = (typeof COMPARISONS)[number];

const op = z.enum(COMPARISONS, { error: `must be one of ${COMPARISONS.join(', ')}` });
const level = z
  .string({ error: 'must be a decimal string, such as "0.00141342"' })
  .refine((text) => parseDecimal(text) !== null, 'must be a decimal string, such as "0.00141342"')
  .describe('A decimal, such as "0.00141342".')
  .transform(canonicalDecimal);
const count = (min: number, max: number) => {
  const error = `must be an integer from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
};
const number = (min: number, max: number) => {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error });
};
const period = count(2, RULE_LIMITS.period);
const smoothed = count(2, RULE_LIMITS.smoothedPeriod);

const AVERAGES = ['sma', 'ema'] as const;
const average = z.strictObject({ kind: z.enum(AVERAGES, { error: 'must be sma or ema' }), period });

const price = z.strictObject({ type: z.literal('price'), op, level });
const change = z.strictObject({
  type: z.literal('change'),
  candles: count(1, RULE_LIMITS.period),
  op,
  percent: number(-100, 100_000),
});
const rsi = z.strictObject({ type: z.literal('rsi'), period: smoothed, op, level: number(0, 100) });
const averages = z.strictObject({
  type: z.literal('average'),
  average,
  op,
  than: z.union([z.literal('price'), average], {
    error: 'must be "price" or an average such as {"kind":"ema","period":50}',
  }),
});
const macd = z
  .strictObject({ type: z.literal('macd'), fast: smoothed, slow: smoothed, signal: smoothed, op })
  .refine(({ fast, slow }) => fast < slow, { path: ['fast'], error: 'must be smaller than slow' });
const bollinger = z.strictObject({
  type: z.literal('bollinger'),
  period,
  deviations: number(0.1, 10),
  band: z.enum(['upper', 'lower'], { error: 'must be upper or lower' }),
  op: z.enum(['touches', ...COMPARISONS], { error: `must be one of touches, ${COMPARISONS.join(', ')}` }),
});
const atr = z
  .strictObject({
    type: z.literal('atr'),
    period: smoothed,
    op,
    level: level.exactOptional(),
    percentOfClose: number(0, 1000).exactOptional(),
  })
  .refine(
    (leaf) => (leaf.level === undefined) !== (leaf.percentOfClose === undefined),
    'needs either level or percentOfClose',
  );
const volume = z
  .strictObject({ type: z.literal('volume'), period, factor: number(0.01, RULE_LIMITS.period) })
  .refine((leaf) => leaf.factor < leaf.period, {
    path: ['factor'],
    error: 'must be smaller than period: the candle itself is one of those averaged',
  });

export const leafSchema = z.discriminatedUnion('type', [price, change, rsi, averages, macd, bollinger, atr, volume], {
  error: 'must be {"all":[…]}, {"any":[…]} or have a type: price, change, rsi, average, macd, bollinger, atr, volume',
});

/** One comparison. */
export type Leaf = z.infer<typeof leafSchema>;
export type Condition = Leaf | { readonly all: readonly Condition[] } | { readonly any: readonly Condition[] };

const inTime = { error: `must be epoch milliseconds, at most ${LAST_TIME}` };
const time = z.int(inTime).positive(inTime).max(LAST_TIME, inTime);

/** Everything of a rule but its condition, which is read apart. */
export const headSchema = z.strictObject({
  name: z
    .string({ error: 'must be text' })
    .min(1, `must have 1 to ${RULE_LIMITS.nameLength} characters`)
    .max(RULE_LIMITS.nameLength, `must have 1 to ${RULE_LIMITS.nameLength} characters`)
    .refine(isStorable, STORABLE_RULE)
    .exactOptional(),
  symbol: z.string({ error: `must be ${SYMBOL_RULE}` }).regex(SYMBOL_PATTERN, `must be ${SYMBOL_RULE}`),
  interval: z.enum(INTERVALS, { error: `must be one of ${INTERVALS.join(' ')}` }),
  when: z.undefined().optional(),
  cooldownMs: count(0, RULE_LIMITS.cooldownMs).exactOptional(),
  expiresAt: time.nullable().exactOptional(),
  data: z.record(z.string(), z.unknown(), { error: 'must be an object' }).exactOptional(),
});

/** What a user watches for: `when` holds at the close of a candle of (symbol, interval) → a signal. */
export interface Rule {
  readonly name?: string;
  readonly symbol: string;
  readonly interval: (typeof INTERVALS)[number];
  readonly when: Condition;
  /** After a signal the next one is at least this much later, in event time; 0 or none = every candle at which it holds. */
  readonly cooldownMs?: number;
  /** Epoch ms; candles that end later are not looked at. */
  readonly expiresAt?: number | null;
  /** Goes into every signal as it is. */
  readonly data?: Readonly<Record<string, unknown>>;
}

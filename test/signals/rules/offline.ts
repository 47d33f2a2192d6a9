// What rules fire over a whole series of closed candles, computed at once and in the plainest way: every indicator as an array
// of indicatorts, every condition by its definition in docs/rules.md. Shares no code with the evaluator.
import { bb, ema, macd, rma, sma, tr } from 'indicatorts';
import type { Candle } from '../../../src/market/candle.js';
import type { Condition, Leaf, Rule } from '../../../src/signals/rules/schema.js';

const EQUAL = 1e-9;
const INTERVAL_LENGTHS: Readonly<Record<string, number>> = { '1m': 60_000, '5m': 300_000, '1h': 3_600_000 };

interface Numbers {
  readonly times: readonly number[];
  readonly closes: readonly number[];
  readonly highs: readonly number[];
  readonly lows: readonly number[];
  readonly volumes: readonly number[];
  readonly exactCloses: readonly bigint[];
  readonly length: number;
}

export interface OfflineRule extends Rule {
  readonly startsAfter?: number;
}

/** Open times at which the rule fires, ascending. */
export function offlineFirings(rule: OfflineRule, candles: readonly Candle[]): number[] {
  const length = INTERVAL_LENGTHS[rule.interval];
  if (length === undefined) throw new Error(`the length of ${rule.interval} is not known here`);
  const numbers = numbersOf(candles, length);
  const truth = evaluate(rule.when, numbers);
  const fired: number[] = [];
  for (const [i, time] of numbers.times.entries()) {
    if (truth[i] !== true || time <= (rule.startsAfter ?? -1)) continue;
    if (rule.expiresAt !== undefined && rule.expiresAt !== null && time + length > rule.expiresAt) continue;
    const last = fired.at(-1);
    if (last === undefined || time - last >= (rule.cooldownMs ?? 0)) fired.push(time);
  }
  return fired;
}

function numbersOf(candles: readonly Candle[], length: number): Numbers {
  return {
    times: candles.map(({ openTime }) => openTime),
    closes: candles.map(({ close }) => Number(close)),
    highs: candles.map(({ high }) => Number(high)),
    lows: candles.map(({ low }) => Number(low)),
    volumes: candles.map(({ volume }) => Number(volume)),
    exactCloses: candles.map(({ close }) => units(close)),
    length,
  };
}

function units(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(8, '0'));
}

function evaluate(condition: Condition, n: Numbers): boolean[] {
  if ('all' in condition) return combine(condition.all, n, (values) => values.every(Boolean));
  if ('any' in condition) return combine(condition.any, n, (values) => values.some(Boolean));
  return leaf(condition, n);
}

function combine(parts: readonly Condition[], n: Numbers, how: (values: readonly boolean[]) => boolean): boolean[] {
  const columns = parts.map((part) => evaluate(part, n));
  return n.times.map((_, i) => how(columns.map((column) => column[i] === true)));
}

function leaf(l: Leaf, n: Numbers): boolean[] {
  const { closes, times } = n;
  const fixed = (value: number) => times.map(() => value);
  switch (l.type) {
    case 'price': {
      const level = units(l.level);
      const signs = n.exactCloses.map((close) => (close > level ? 1 : close < level ? -1 : 0));
      return compare(n, l.op, signs, fixed(0), () => 0);
    }
    case 'change': {
      const at = new Map(times.map((time, i) => [time, closes[i] ?? Number.NaN]));
      const changes = times.map((time, i) => {
        const then = at.get(time - l.candles * n.length) ?? Number.NaN;
        return ((closes[i] ?? Number.NaN) / then - 1) * 100;
      });
      // A quotient of nearly equal numbers is known to 1e-14 of 100 %.
      return compare(n, l.op, changes, fixed(l.percent), relative);
    }
    case 'rsi':
      return compare(n, l.op, rsiOf(closes, l.period), fixed(l.level), relative);
    case 'average':
      return compare(n, l.op, average(n, l.average), l.than === 'price' ? closes : average(n, l.than), relative);
    case 'macd': {
      const line = macd([...closes], l).macdLine;
      const signal = ema(line.slice(l.slow - 1), { period: l.signal });
      const from = l.slow - 1 + l.signal - 1;
      return compare(
        n,
        l.op,
        blank(line, l.slow - 1),
        blank([...fixed(0).slice(0, l.slow - 1), ...signal], from),
        price(n),
      );
    }
    case 'bollinger': {
      const middle = sma([...closes], { period: l.period });
      const half = bb([...closes], { period: l.period }).upper.map(
        (u, i) => ((u - (middle[i] ?? 0)) / 2) * l.deviations,
      );
      const wide = half.map((h, i) => 2 * h > EQUAL * (middle[i] ?? 0) && i >= l.period - 1);
      const band = middle.map((m, i) =>
        wide[i] === true ? m + (l.band === 'upper' ? 1 : -1) * (half[i] ?? 0) : Number.NaN,
      );
      if (l.op !== 'touches') return compare(n, l.op, closes, band, relative);
      if (l.band === 'upper') return band.map((b, i) => (n.highs[i] ?? Number.NaN) - b >= -EQUAL * b);
      return band.map((b, i) => (n.lows[i] ?? Number.NaN) - b <= EQUAL * b);
    }
    case 'atr': {
      const ranges = blank(rma(tr([...n.highs], [...n.lows], [...closes]), { period: l.period }), l.period - 1);
      if (l.level !== undefined) return compare(n, l.op, ranges, fixed(Number(l.level)), relative);
      const percents = ranges.map((range, i) => (range / (closes[i] ?? Number.NaN)) * 100);
      return compare(n, l.op, percents, fixed(l.percentOfClose ?? Number.NaN), relative);
    }
    case 'volume': {
      const averages = blank(sma([...n.volumes], { period: l.period }), l.period - 1);
      return compare(
        n,
        'above',
        n.volumes,
        averages.map((a) => a * l.factor),
        relative,
      );
    }
  }
}

function average(n: Numbers, { kind, period }: { kind: 'sma' | 'ema'; period: number }): number[] {
  return blank((kind === 'sma' ? sma : ema)([...n.closes], { period }), period - 1);
}

function rsiOf(closes: readonly number[], period: number): number[] {
  const changes = closes.slice(1).map((close, i) => close - (closes[i] ?? Number.NaN));
  const up = rma(
    changes.map((c) => Math.max(c, 0)),
    { period },
  );
  const down = rma(
    changes.map((c) => Math.max(-c, 0)),
    { period },
  );
  const values = up.map((gain, i) => {
    const loss = down[i] ?? Number.NaN;
    return gain + loss > EQUAL * (closes[i + 1] ?? Number.NaN) ? 100 - 100 / (1 + gain / loss) : Number.NaN;
  });
  return blank([Number.NaN, ...values], period);
}

function blank(values: readonly number[], first: number): number[] {
  return values.map((value, i) => (i < first ? Number.NaN : value));
}

type Margin = (left: number, right: number, i: number) => number;
const relative: Margin = (left, right) => EQUAL * Math.max(Math.abs(left), Math.abs(right));
const price =
  (n: Numbers): Margin =>
  (_left, _right, i) =>
    EQUAL * (n.closes[i] ?? Number.NaN);

/** 1 above, −1 below, 0 equal, NaN not known. */
function compare(n: Numbers, op: string, left: readonly number[], right: readonly number[], margin: Margin): boolean[] {
  const sides = left.map((a, i) => {
    const difference = a - (right[i] ?? Number.NaN);
    if (Number.isNaN(difference)) return Number.NaN;
    return Math.abs(difference) <= margin(a, right[i] ?? Number.NaN, i) ? 0 : Math.sign(difference);
  });
  return sides.map((side, i) => {
    const neighbour = (n.times[i] ?? 0) - (n.times[i - 1] ?? Number.NaN) === n.length;
    const before = neighbour ? (sides[i - 1] ?? Number.NaN) : Number.NaN;
    if (op === 'above') return side === 1;
    if (op === 'below') return side === -1;
    if (op === 'crosses_above') return side === 1 && before <= 0;
    return side === -1 && before >= 0;
  });
}

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Candle } from '../../../src/market/candle.js';
import { MINUTE_MS } from '../../../src/market/interval.js';
import { type ActiveRule, finish } from '../../../src/signals/rules/evaluator.js';
import type { Condition } from '../../../src/signals/rules/schema.js';
import { candle, realMinutes } from './candles.js';
import { MANY_RULES } from './many-rules.js';
import { offlineFirings } from './offline.js';
import { activeRule, Standing, takeOver } from './standing.js';

const minutes = realMinutes();
const rules = MANY_RULES.map((rule, i) => activeRule(`rule-${i}`, { ...rule, expiresAt: rule.expiresAt ?? null }));
const START = { openTime: 0, seq: 0 };

function expectOffline(standing: Standing, active: readonly ActiveRule[], candles: readonly Candle[]): void {
  for (const rule of active) {
    const expected = offlineFirings({ symbol: 'XRPETH', interval: '1m', ...rule }, candles);
    expect({ rule, fired: standing.of(rule.id) }).toEqual({ rule, fired: expected });
  }
}

describe('over the exchange’s minutes', () => {
  test('what fires is what an independent computation of the whole says', () => {
    const standing = new Standing();
    const { evaluator, firings } = takeOver('1m', minutes.slice(0, 1), rules, standing, START);
    standing.add(firings);
    for (const minute of minutes.slice(1)) standing.add(finish(evaluator.take([minute])));
    expectOffline(standing, rules, minutes);
    expect(standing.all.every(({ late }) => !late)).toBe(true);
    const silent = rules.filter(({ id }) => standing.of(id).length === 0);
    expect(silent).toEqual([]);
  });

  test('the same with takeovers, each with a bounded part of history', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: minutes.length - 1 }), { minLength: 1, maxLength: 8 }), (cuts) => {
        const standing = new Standing();
        let { evaluator, firings } = takeOver('1m', minutes.slice(0, 1), rules, standing, START);
        standing.add(firings);
        let at = 1;
        for (const cut of [...cuts].sort((a, b) => a - b)) {
          for (; at < cut; at++) standing.add(finish(evaluator.take(minutes.slice(at, at + 1))));
          // The new one sees candles that the old one did not live to judge.
          const seen = Math.min(minutes.length, at + 5);
          ({ evaluator, firings } = takeOver('1m', minutes.slice(0, seen), rules, standing, evaluator.progress));
          standing.add(firings);
          at = seen;
        }
        for (; at < minutes.length; at++) standing.add(finish(evaluator.take(minutes.slice(at, at + 1))));
        expectOffline(standing, rules, minutes);
      }),
      { numRuns: 6 },
    );
  });

  test('each indicator and comparison is there once, however many rules ask for it', () => {
    const many = Array.from({ length: 100 }, (_, i) =>
      rules.map((rule) => ({ ...rule, id: `${rule.id}-${i}` })),
    ).flat();
    const { evaluator } = takeOver('1m', minutes.slice(0, 100), many, new Standing(), START);
    const once = takeOver('1m', minutes.slice(0, 100), rules, new Standing(), START).evaluator;
    expect(evaluator.size).toEqual({ ...once.size, rules: 100 * rules.length });
    expect(once.size.indicators).toBeLessThan(25);
  });
});

test('a rule that is added later is right from its first candle', () => {
  const standing = new Standing();
  const at = 2000;
  const startsAfter = minutes[at]?.openTime ?? 0;
  const { evaluator } = takeOver('1m', minutes.slice(0, at + 3), rules.slice(0, 1), standing, {
    openTime: startsAfter,
    seq: minutes[at]?.seq ?? 0,
  });
  const late = rules.map((rule) => ({ ...rule, startsAfter }));
  const added = finish(evaluator.setRules(late, new Map()));
  const firings = added ?? takeOver('1m', minutes.slice(0, at + 3), late, standing, evaluator.progress).firings;
  // It does not have the history they need: it says so rather than guess.
  expect(added).toBeNull();
  standing.add(firings);
  const { evaluator: warm } = takeOver('1m', minutes.slice(0, at + 3), late, standing, evaluator.progress);
  for (const minute of minutes.slice(at + 3)) standing.add(finish(warm.take([minute])));
  expectOffline(standing, late, minutes);
});

describe('corrections', () => {
  const pool: readonly Condition[] = [
    { type: 'price', op: 'crosses_above', level: '100' },
    { type: 'price', op: 'crosses_below', level: '100' },
    { type: 'price', op: 'above', level: '103' },
    { type: 'rsi', period: 3, op: 'crosses_above', level: 60 },
    { type: 'average', average: { kind: 'ema', period: 3 }, op: 'crosses_above', than: { kind: 'sma', period: 5 } },
    { type: 'change', candles: 2, op: 'above', percent: 2 },
    { type: 'bollinger', period: 4, deviations: 1, band: 'upper', op: 'touches' },
    { type: 'volume', period: 3, factor: 1.5 },
    {
      all: [
        { type: 'price', op: 'above', level: '99' },
        { type: 'macd', fast: 2, slow: 4, signal: 2, op: 'crosses_above' },
      ],
    },
  ];
  const shape = fc.record({
    close: fc.integer({ min: 95, max: 105 }),
    up: fc.integer({ min: 0, max: 3 }),
    down: fc.integer({ min: 0, max: 3 }),
    volume: fc.integer({ min: 0, max: 9 }),
  });
  const sketch = (
    openTime: number,
    s: { close: number; up: number; down: number; volume: number },
    revision: number,
    seq: number,
  ) =>
    candle('X', '1m', {
      openTime,
      open: `${s.close}`,
      high: `${s.close + s.up}`,
      low: `${s.close - s.down}`,
      close: `${s.close}`,
      volume: `${s.volume}`,
      revision,
      seq,
    });
  const step = fc.oneof(
    { weight: 6, arbitrary: shape.map((s) => ({ kind: 'close' as const, s })) },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('correct' as const), s: shape, back: fc.integer({ min: 0, max: 58 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('gap' as const), s: shape, minutes: fc.integer({ min: 1, max: 4 }) }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'takeover' as const }) },
  );
  const cooldowns = fc.array(fc.constantFrom(0, 0, 3 * MINUTE_MS, 20 * MINUTE_MS), {
    minLength: pool.length,
    maxLength: pool.length,
  });

  test('what stands is what an independent computation of the candles as they are now says, through gaps and takeovers', () => {
    let turned = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 120 }), cooldowns, (steps, cools) => {
        const active = pool.map((when, i) => activeRule(`rule-${i}`, { when, cooldownMs: cools[i] ?? 0 }));
        const standing = new Standing();
        const candles: Candle[] = [];
        let { evaluator } = takeOver('1m', candles, active, standing, START);
        let time = 100 * MINUTE_MS;
        let seq = 1;
        for (const next of steps) {
          seq += 1;
          if (next.kind === 'takeover') {
            const taken = takeOver('1m', candles, active, standing, evaluator.progress);
            expect(taken.firings).toEqual([]);
            evaluator = taken.evaluator;
            continue;
          }
          if (next.kind === 'correct') {
            const old = candles[candles.length - 1 - next.back];
            if (old === undefined || old.openTime < time - 58 * MINUTE_MS) continue;
            const revised = sketch(old.openTime, next.s, old.revision + 1, seq);
            candles[candles.length - 1 - next.back] = revised;
            standing.add(finish(evaluator.take([revised])));
            continue;
          }
          time += MINUTE_MS * (next.kind === 'gap' ? 1 + next.minutes : 1);
          const closed = sketch(time, next.s, 0, seq);
          candles.push(closed);
          standing.add(finish(evaluator.take([closed])));
        }
        turned += standing.all.filter(({ fires }) => !fires).length;
        expectOffline(standing, active, candles);
      }),
      { numRuns: 150 },
    );
    expect(turned).toBeGreaterThan(0);
  });

  const closes = (prices: readonly number[]) =>
    prices.map((close, i) => sketch((i + 1) * MINUTE_MS, { close, up: 0, down: 0, volume: 1 }, 0, i + 1));
  const crossing = [activeRule('r', { when: { type: 'price', op: 'crosses_above', level: '100' } })];

  test('a firing that no longer holds is withdrawn, and the one that holds now comes late', () => {
    const { evaluator } = takeOver('1m', closes([98, 99]), crossing, new Standing(), START);
    const [fired] = finish(evaluator.take(closes([98, 99, 101]).slice(2)));
    expect(fired).toMatchObject({
      openTime: 3 * MINUTE_MS,
      fires: true,
      revision: 0,
      late: false,
      corrects: null,
      values: {},
    });
    const corrections = finish(
      evaluator.take([sketch(2 * MINUTE_MS, { close: 102, up: 0, down: 0, volume: 1 }, 1, 10)]),
    );
    expect(corrections).toMatchObject([
      {
        openTime: 2 * MINUTE_MS,
        fires: true,
        revision: 0,
        late: true,
        corrects: null,
        candle: { close: '102', revision: 1 },
      },
      { openTime: 3 * MINUTE_MS, fires: false, revision: 1, late: true, corrects: fired?.signalId },
    ]);
  });

  test('the same candle again changes nothing', () => {
    const { evaluator } = takeOver('1m', closes([98, 99]), crossing, new Standing(), START);
    const [next] = closes([98, 99, 101]).slice(2);
    expect(finish(evaluator.take([next as Candle]))).toHaveLength(1);
    expect(finish(evaluator.take([next as Candle]))).toEqual([]);
  });

  test('a candle that closes late, in what was a gap, is judged and its neighbours anew', () => {
    const [one, , three] = closes([98, 99, 101]);
    const { evaluator } = takeOver('1m', [one as Candle, three as Candle], crossing, new Standing(), START);
    const between = sketch(2 * MINUTE_MS, { close: 99, up: 0, down: 0, volume: 1 }, 0, 9);
    expect(finish(evaluator.take([between]))).toMatchObject([{ openTime: 3 * MINUTE_MS, fires: true, late: true }]);
  });
});

test('a crossing is not seen over a missing candle; at a level is neither above nor below', () => {
  const at = (minute: number, close: string) =>
    candle('X', '1m', { openTime: minute * MINUTE_MS, open: close, high: close, low: close, close, volume: '1' });
  const rule = activeRule('r', { when: { type: 'price', op: 'crosses_above', level: '100000000000.00000001' } });
  const fired = (...prices: [number, string][]) => {
    const { evaluator } = takeOver('1m', [], [rule], new Standing(), START);
    return prices
      .flatMap(([minute, close]) => finish(evaluator.take([at(minute, close)])))
      .map(({ openTime }) => openTime / MINUTE_MS);
  };
  expect(fired([1, '100000000000.00000000'], [2, '100000000000.00000001'], [3, '100000000000.00000002'])).toEqual([3]);
  expect(fired([1, '1'], [3, '200000000000'])).toEqual([]);
  expect(fired([1, '1'], [2, '200000000000'], [3, '1'], [4, '200000000000'])).toEqual([2, 4]);
});

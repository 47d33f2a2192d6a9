// 100,000 rules over 200 symbols at a minute's close: how long the evaluation of all of them takes, without the database. Every
// symbol has 500 rules of every kind with many periods and levels, warmed up from history.
import { MINUTE_MS } from '../src/market/interval.js';
import { Evaluator, finish } from '../src/signals/rules/evaluator.js';
import { candle, realMinutes } from '../test/signals/rules/candles.js';
import { median } from './support/rounds.js';
import { condition } from './support/rules.js';

const SYMBOLS = 200;
const RULES = 100_000;
const ROUNDS = 30;
const real = realMinutes();

let ids = 0;
function evaluatorOf(symbol: string): Evaluator {
  const evaluator = new Evaluator('1m', () => String(ids++));
  const rules = Array.from({ length: RULES / SYMBOLS }, (_, n) => ({
    id: `${symbol}-${n}`,
    version: 1,
    when: condition(n),
    cooldownMs: n % 3 === 0 ? 15 * MINUTE_MS : 0,
    expiresAt: null,
    startsAfter: real[2999]?.openTime ?? 0,
  }));
  const history = real.slice(0, 3000);
  const progress = { openTime: history.at(-1)?.openTime ?? 0, seq: history.at(-1)?.seq ?? 0 };
  finish(evaluator.load({ history, complete: true, rules, verdicts: new Map(), progress }));
  return evaluator;
}

const loading = performance.now();
const evaluators = Array.from({ length: SYMBOLS }, (_, i) => evaluatorOf(`S${i}`));
const loaded = performance.now() - loading;
const took: number[] = [];
let firings = 0;
for (const minute of real.slice(3000, 3000 + ROUNDS)) {
  const began = performance.now();
  for (const evaluator of evaluators) firings += finish(evaluator.take([minute])).length;
  took.push(performance.now() - began);
}
const last = real[3000 + ROUNDS - 1] ?? real[0];
if (last === undefined) throw new Error('no candles');
const correction = candle('X', '1m', {
  ...last,
  openTime: last.openTime - 10 * MINUTE_MS,
  revision: 1,
  seq: last.seq + 1,
});
const correcting = performance.now();
for (const evaluator of evaluators) finish(evaluator.take([correction]));
const corrected = performance.now() - correcting;
const size = evaluators[0]?.size ?? { rules: 0, indicators: 0, tests: 0 };
const ms = (value: number) => `${value.toFixed(1)} ms`;
process.stdout.write(
  [
    `${RULES} rules over ${SYMBOLS} symbols; a symbol: ${size.rules} rules, ${size.indicators} indicators, ${size.tests} comparisons`,
    `a minute's close: ${ms(median(took))} [${ms(Math.min(...took))} … ${ms(Math.max(...took))}], ${Math.round(RULES / median(took)) * 1000} rules/s; ${firings} firings in ${ROUNDS} closes`,
    `a correction ten minutes back: ${ms(corrected / SYMBOLS)} a symbol, in slices of 5 ms`,
    `from 3,000 candles of history to ready: ${ms(loaded / SYMBOLS)} a symbol, in slices of 5 ms`,
    '',
  ].join('\n'),
);
if (process.argv.includes('--json'))
  process.stdout.write(`${JSON.stringify({ title: 'rules', took, corrected, loaded, size, firings })}\n`);

/**
 * A strategy over stored candles, as fast as it can be read, and with --live then over live ones, from the very candle at which the stored
 * ones end: the same function decides over both.
 *
 *   node examples/backtest.mjs [server] [symbol] [interval] [from] [to] [--live]
 */
import { parseArgs } from 'node:util';
import { Client } from 'candlecast/client';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { live: { type: 'boolean' } } });
const [url = 'http://127.0.0.1:8080', symbol = 'BTCDEMO', interval = '1m', begin, end] = positionals;
const from = begin === undefined ? Date.now() - 86_400_000 : Date.parse(begin);
const to = end === undefined ? undefined : Date.parse(end);
const FAST = 5;
const SLOW = 20;

const state = { candles: 0, closes: [], heldSince: null, trades: 0, result: 0 };
const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Buys and sells (on paper) when a fast average of closes crosses a slow one. */
function decide(item) {
  if (item.type === 'gap' || item.type === 'reset') state.closes = [];
  if (item.type !== 'candle' || item.correction) return;
  state.candles += 1;
  const price = Number(item.c);
  state.closes = [...state.closes, price].slice(-SLOW);
  if (state.closes.length < SLOW) return;
  const isUp = average(state.closes.slice(-FAST)) > average(state.closes);
  if (isUp === (state.heldSince !== null)) return;
  if (state.heldSince !== null) state.result += price / state.heldSince - 1;
  state.heldSince = isUp ? price : null;
  state.trades += 1;
}

const client = new Client({ url });
const channels = [{ symbol, interval, closedOnly: true, history: SLOW }];
let cursor = null;
for await (const item of client.replay({ channels, from, ...(to === undefined ? {} : { to }) })) {
  decide(item);
  cursor = item.cursor;
}
const { candles, trades, result } = state;
console.log(JSON.stringify({ candles, trades, result: Number(result.toFixed(6)), cursor }));

if (values.live) {
  for await (const item of client.candles(symbol, interval, { closedOnly: true, from: cursor })) {
    decide(item);
    console.log(JSON.stringify({ time: item.t, close: item.c, trades: state.trades }));
  }
}

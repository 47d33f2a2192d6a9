/**
 * A bot that trades (on paper) when a fast average of closes crosses a slow one. It acts on closed candles only, and deals with each once,
 * however often it or the server is stopped: what it has done and how far it has come are one file, replaced in one step.
 *
 *   node examples/bot.mjs [server] [symbol] [interval] [file]
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { Client } from 'candlecast/client';

const [url = 'http://127.0.0.1:8080', symbol = 'BTCDEMO', interval = '1m', file = 'bot.json'] = process.argv.slice(2);
const FAST = 5;
const SLOW = 20;

function load() {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
    return { cursor: null, candles: 0, closes: [], holding: false, trades: [] };
  }
}

/** Whole or not at all, also when we are killed here. */
function save() {
  writeFileSync(`${file}.new`, JSON.stringify(state));
  renameSync(`${file}.new`, file);
}

const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function decide(candle) {
  state.candles += 1;
  state.closes = [...state.closes, Number(candle.c)].slice(-SLOW);
  if (state.closes.length < SLOW) return;
  const isUp = average(state.closes.slice(-FAST)) > average(state.closes);
  if (isUp === state.holding) return;
  state.holding = isUp;
  const trade = { time: candle.t, side: isUp ? 'buy' : 'sell', price: candle.c };
  state.trades.push(trade);
  console.log(JSON.stringify(trade));
}

const state = load();
const stop = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => stop.abort());

const client = new Client({ url });
client.onState(({ kind, reason = '' }) => console.error(kind, reason));

// The first time with a day behind us; after that from where we were.
const options = { closedOnly: true, history: 1440, from: state.cursor, signal: stop.signal };
for await (const item of client.candles(symbol, interval, options)) {
  if (item.type === 'candle' && !item.correction) decide(item);
  // A correction is of a candle we have acted on: that cannot be undone. After a hole the averages would be wrong.
  else if (item.type === 'gap' || item.type === 'reset') state.closes = [];
  state.cursor = item.cursor;
  save();
}

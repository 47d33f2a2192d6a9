import { z } from 'zod';
import { HISTORY_PARAMETERS } from '../udf/history.js';
import { MARK_PARAMETERS } from '../udf/marks.js';
import { QUOTE_PARAMETERS } from '../udf/quotes.js';
import { SEARCH_PARAMETERS, SYMBOL_PARAMETERS } from '../udf/symbols.js';
import { RETRY_AFTER } from './answers.js';
import type { Answer, Operation, Section } from './operation.js';

/** Errors are `{s: "error"}` with the status that says what kind they are. */
const failure = z.strictObject({ s: z.literal('error'), errmsg: z.string() }).meta({ id: 'UdfError' });
const failed = (description: string, headers?: Answer['headers']): Answer => ({
  description,
  schema: failure,
  type: 'application/json',
  ...(headers === undefined ? {} : { headers }),
});

const text = z.string();
const texts = z.array(text);
const numbers = z.array(z.number());
const seconds = z.int().describe('Epoch seconds.');
const named = z.strictObject({ name: text, value: text });

const wrong = failed('A parameter is missing or wrong.');
const unknown = failed('There is no such symbol.');
const held = {
  401: failed('The token is not accepted.'),
  403: failed('The plan, or the API key, does not give it.'),
  503: failed('Not now: try again later.', RETRY_AFTER),
};

const get = (
  name: string,
  id: string,
  summary: string,
  rest: Pick<Operation, 'answers' | 'access'> & Partial<Operation>,
): Operation => ({
  method: 'GET',
  path: `/udf/${name}`,
  id,
  summary,
  ...rest,
});

const config = z.strictObject({
  supports_search: z.literal(true),
  supports_group_request: z.literal(false),
  supports_marks: z.literal(true),
  supports_timescale_marks: z.literal(true),
  supports_time: z.literal(true),
  exchanges: z.array(z.strictObject({ value: text, name: text, desc: text })),
  symbols_types: z.array(named),
  supported_resolutions: texts,
});

const symbolInfo = z.strictObject({
  name: text,
  ticker: text,
  full_name: text,
  description: text,
  type: text,
  session: z.literal('24x7'),
  timezone: z.literal('Etc/UTC'),
  exchange: text,
  listed_exchange: text,
  'exchange-traded': text,
  'exchange-listed': text,
  format: z.literal('price'),
  minmov: z.literal(1),
  minmov2: z.literal(0),
  pricescale: z.int().positive(),
  pointvalue: z.literal(1),
  has_intraday: z.literal(true),
  intraday_multipliers: texts,
  has_daily: z.literal(true),
  daily_multipliers: texts,
  has_weekly_and_monthly: z.literal(true),
  weekly_multipliers: texts,
  monthly_multipliers: texts,
  supported_resolutions: texts,
  visible_plots_set: z.literal('ohlcv'),
  volume_precision: z.int().nonnegative(),
  data_status: z.enum(['streaming', 'endofday']),
});

const result = z.strictObject({
  symbol: text,
  full_name: text,
  description: text,
  exchange: text,
  ticker: text,
  type: text,
});

const bars = z.union([
  z.strictObject({
    s: z.literal('ok'),
    t: z.array(seconds),
    o: numbers,
    h: numbers,
    l: numbers,
    c: numbers,
    v: numbers,
  }),
  z.strictObject({ s: z.literal('no_data'), nextTime: seconds.exactOptional().describe('Of the last bar before.') }),
]);

const marks = z.strictObject({
  id: texts,
  time: z.array(seconds),
  color: texts,
  text: texts,
  label: texts,
  labelFontColor: texts,
  minSize: z.array(z.int()),
});

const timescaleMark = z.strictObject({ id: text, time: seconds, color: text, label: text, tooltip: texts });

const quote = z.strictObject({
  ch: z.number().describe('Change since the close of the day before.'),
  chp: z.number().describe('In percent.'),
  short_name: text,
  exchange: text,
  original_name: text,
  description: text,
  lp: z.number().describe('The last price.'),
  open_price: z.number(),
  high_price: z.number(),
  low_price: z.number(),
  prev_close_price: z.number(),
  volume: z.number(),
});

const quotes = z.strictObject({
  s: z.literal('ok'),
  d: z.array(
    z.union([
      z.strictObject({ s: z.literal('ok'), n: text, v: quote }),
      z.strictObject({ s: z.literal('error'), n: text, v: z.strictObject({}), errmsg: text }),
    ]),
  ),
});

export const udfSection: Section = {
  name: 'TradingView UDF',
  description:
    "The data source protocol of TradingView's charting library. Prices are numbers here, as it wants them; times are epoch seconds. Parameters that are not known are ignored.",
  operations: [
    get('config', 'udfConfig', 'What the data source can do', {
      access: 'everybody',
      answers: { 200: { description: 'The configuration.', schema: config }, 503: held[503] },
    }),
    get('symbols', 'udfSymbol', 'A symbol', {
      access: 'everybody',
      parameters: SYMBOL_PARAMETERS,
      answers: { 200: { description: 'The symbol.', schema: symbolInfo }, 400: wrong, 404: unknown, 503: held[503] },
    }),
    get('search', 'udfSearch', 'Symbols by a part of their name', {
      access: 'everybody',
      parameters: SEARCH_PARAMETERS,
      answers: {
        200: { description: 'Those that begin with it first.', schema: z.array(result) },
        400: wrong,
        503: held[503],
      },
    }),
    get('history', 'udfHistory', 'Bars', {
      access: 'visitors',
      parameters: HISTORY_PARAMETERS,
      answers: {
        200: { description: 'Bars in columns, or that there are none.', schema: bars },
        400: wrong,
        404: unknown,
        ...held,
      },
    }),
    get('marks', 'udfMarks', 'Your signals on the bars', {
      description: 'Of somebody without a token there are none. An API key needs the scope `signals:read`.',
      access: 'visitors',
      parameters: MARK_PARAMETERS,
      answers: { 200: { description: 'Marks in columns.', schema: marks }, 400: wrong, 404: unknown, ...held },
    }),
    get('timescale_marks', 'udfTimescaleMarks', 'Your signals on the time scale', {
      access: 'visitors',
      parameters: MARK_PARAMETERS,
      answers: { 200: { description: 'Marks.', schema: z.array(timescaleMark) }, 400: wrong, 404: unknown, ...held },
    }),
    get('quotes', 'udfQuotes', 'The day so far', {
      access: 'visitors',
      parameters: QUOTE_PARAMETERS,
      answers: {
        200: { description: 'One for each name; what is wrong with one is said there.', schema: quotes },
        400: wrong,
        ...held,
      },
    }),
    get('time', 'udfTime', 'The time of the server', {
      access: 'everybody',
      answers: { 200: { description: 'Epoch seconds.', textType: 'text/plain' } },
    }),
  ],
};

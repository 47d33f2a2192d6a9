import { z } from 'zod';
import { FEED_STATES } from '../../market/event.js';
import { INTERVALS } from '../../market/interval.js';
import type { Parameters } from '../../wire/parameter.js';
import { symbolStatus, wireCandle } from '../../wire/schemas.js';
import { CANDLE_PARAMETERS } from '../candles.js';
import { TRADE_PARAMETERS } from '../trades.js';
import { RETRY_AFTER, refused, time, unauthorized, unavailable } from './answers.js';
import type { Section } from './operation.js';

const candle = {
  t: 1570752000000,
  o: '0.00141342',
  h: '0.00141500',
  l: '0.00141300',
  c: '0.00141410',
  v: '3021.00000000',
  n: 17,
  x: true,
  r: 0,
};
const plan = z.string().describe('Name of the plan.');
const decimal = z
  .union([z.string(), z.number()])
  .describe('A decimal above zero with at most 8 places; text keeps every digit.');

const trade = z
  .strictObject({
    symbol: z.string(),
    id: z.union([z.int().nonnegative(), z.string()]).describe('Unique within the symbol, and ascending.'),
    time: z.union([time, z.string()]).describe('Epoch milliseconds.'),
    price: decimal,
    quantity: decimal,
    side: z.enum(['buy', 'sell']).describe('Of the taker.'),
  })
  .meta({ id: 'Trade' });

const readableTrades = z.union([z.strictObject({ trades: z.array(trade) }), z.array(trade)]);

const taken = z.strictObject({
  accepted: z.int().nonnegative().describe('Durable now.'),
  duplicates: z.int().nonnegative().describe('Known already.'),
  corrected: z.int().nonnegative().describe('Of those accepted: they changed a closed candle.'),
  rejected: z.array(z.strictObject({ index: z.int().nonnegative(), code: z.string(), reason: z.string() })),
});

/** @param stream what the address of a stream of server-sent events takes */
export function marketSection(stream: Parameters): Section {
  return {
    name: 'Market data',
    description:
      'Candles of every symbol, live and back to the first. Times are epoch milliseconds, prices and volumes decimal strings. The WebSocket protocol has the same candles as they form.',
    operations: [
      {
        method: 'GET',
        path: '/v1/symbols',
        id: 'listSymbols',
        summary: 'Every symbol that is fed or stored',
        access: 'everybody',
        answers: {
          200: {
            description: `By name. \`state\` is ${FEED_STATES.join(', ')}.`,
            schema: z.strictObject({ symbols: z.array(symbolStatus) }),
            example: {
              symbols: [
                {
                  symbol: 'BTCUSDT',
                  source: 'demo',
                  synthetic: true,
                  state: 'live',
                  since: 1767575600000,
                  lastTradeTime: 1767575699000,
                },
              ],
            },
          },
        },
      },
      {
        method: 'GET',
        path: '/v1/candles',
        id: 'readCandles',
        summary: 'Candles of a symbol',
        description:
          'Ascending by open time, the open candle included where it lies in the range. With `from` or `cursor` the oldest of the range, without the latest. A `next` that is not null, given as `cursor`, continues forward.',
        access: 'visitors',
        parameters: CANDLE_PARAMETERS,
        answers: {
          200: {
            description: 'A page of them.',
            schema: z.strictObject({
              symbol: z.string(),
              interval: z.enum(INTERVALS),
              candles: z.array(wireCandle),
              next: z.string().nullable().describe('null: there is no more.'),
              limited: z
                .strictObject({ plan, historyDays: z.int().nonnegative() })
                .exactOptional()
                .describe('The plan gives no older ones.'),
            }),
            example: { symbol: 'XRPETH', interval: '1m', candles: [candle], next: null },
          },
          400: refused('A parameter is missing, unknown or wrong.'),
          401: unauthorized,
          403: refused(
            'The plan lacks the interval, or the API key the scope `candles`.',
            ['plan_limit', 'forbidden'],
            {
              plan,
              limit: z.literal('intervals'),
            },
          ),
          404: refused('No feed has the symbol and nothing is stored for it.', ['unknown_symbol']),
          503: unavailable('history_unavailable', 'accounts_unavailable'),
        },
      },
      {
        method: 'POST',
        path: '/v1/trades',
        id: 'pushTrades',
        summary: 'Send trades, where FEEDS has push',
        description:
          'A list of at most 10,000 trades; an empty one is a heartbeat, which lets candles close. What is accepted is on disk when the answer comes; sent again it is a duplicate. As application/x-ndjson: a trade on each line.',
        access: 'everybody',
        parameters: TRADE_PARAMETERS,
        body: {
          textType: 'application/x-ndjson',
          schema: readableTrades,
          example: {
            trades: [
              { symbol: 'BTCUSDT', id: 1, time: 1767575700000, price: '65.00000000', quantity: '0.25', side: 'buy' },
            ],
          },
        },
        answers: {
          200: {
            description: 'What became of them, one by one where they were rejected.',
            schema: taken,
            example: { accepted: 1, duplicates: 0, corrected: 0, rejected: [] },
          },
          400: refused('Nothing of the body can be read as trades.'),
          403: refused('Web pages of other sites may not.'),
          404: refused('This server takes no trades.'),
          413: refused('Too many trades, or more than 1 MiB.'),
          415: refused('The body is neither application/json nor application/x-ndjson.'),
          503: refused('Nothing was taken: send it again.', null, { headers: RETRY_AFTER }),
        },
      },
      {
        method: 'GET',
        path: '/v1/sse',
        id: 'streamEvents',
        summary: 'Channels as server-sent events',
        description:
          'The messages of the WebSocket protocol as an answer without an end: each event is one message in `data:`. `id:` names the positions of all channels; a browser that comes back with it gets what it missed. Before the server ends a stream it sends `event: close` with a code.',
        access: 'visitors',
        parameters: stream,
        headers: {
          'Last-Event-ID': {
            description: 'The `id` of the last event seen: resumes there.',
            schema: { type: 'string' },
            read: (text) => text,
          },
        },
        answers: {
          200: { description: 'Events, until one of both sides ends it.', textType: 'text/event-stream' },
          400: refused('The address is wrong.', [
            'invalid_message',
            'bad_channel',
            'too_many_channels',
            'bad_event_id',
          ]),
          401: refused('`signals` without a token, or one that is not accepted.', [
            'auth_required',
            'invalid_token',
            'token_expired',
            'token_revoked',
          ]),
          429: refused('Too many connections from this address.', null, { headers: RETRY_AFTER }),
          503: unavailable('unavailable'),
        },
      },
    ],
  };
}

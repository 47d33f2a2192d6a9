import { z } from 'zod';
import { FEED_STATES } from '../market/event.js';
import { ERROR_CODES, type ErrorCode } from './codes.js';
import { LIMITS, type ServerMessage } from './messages.js';
import { signalMessage, wireSignal } from './signals.js';

/**
 * Server messages as schemas, strict: what docs, tests and machine-readable descriptions are made from and held to.
 * The server itself does not validate what it sends. Apart from messages.ts so that browsers need not load it.
 */

const time = z.int().nonnegative().describe('Epoch milliseconds.');
const id = z.union([z.string().max(LIMITS.idLength), z.int()]).exactOptional();
const at = { epoch: z.int().nonnegative(), seq: z.int().nonnegative() };
const price = z
  .string()
  .regex(/^\d{1,12}\.\d{8}$/)
  .meta({ id: 'Decimal', description: 'A decimal with eight places.' });

export const wireCandle = z
  .strictObject({
    t: time.describe('Open time.'),
    o: price.describe('Open.'),
    h: price.describe('High.'),
    l: price.describe('Low.'),
    c: price.describe('Close.'),
    v: price.describe('Volume in the base asset.'),
    n: z.int().nonnegative().describe('Trades; 0: nobody traded.'),
    x: z.boolean().describe('Closed: final until a correction says otherwise.'),
    r: z.int().nonnegative().describe('Revision; 0: as first closed.'),
  })
  .meta({ id: 'Candle' });

export const wireGap = z.strictObject({ from: time, to: time, reason: z.string() }).meta({
  id: 'Gap',
  description: 'Candles that touch `from` (inclusive) to `to` (exclusive) are missing or lack trades.',
});

export const symbolStatus = z
  .strictObject({
    symbol: z.string(),
    source: z.string().describe('Which feed it comes from.'),
    synthetic: z.boolean().describe('Made up by the demo feed.'),
    state: z.enum(FEED_STATES),
    since: time.describe('When it entered the state.'),
    lastTradeTime: time.nullable().describe('The newest event time seen.'),
  })
  .meta({ id: 'SymbolStatus' });

const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]).meta({ id: 'ErrorCode' });
const limitName = z.enum(['connections', 'channels', 'historyDays', 'intervals', 'signalsPerDay', 'rules']);
const list = { candles: z.array(wireCandle), gaps: z.array(wireGap) };
const channel = z.string();
const prev = z.int().nonnegative();
const signals = { channel: z.literal('signals'), ...at };

export const serverMessage = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('welcome'),
    protocol: z.literal('candlecast.v1'),
    server: z.string(),
    time,
    heartbeatMs: time,
  }),
  z.strictObject({
    type: z.literal('subscribed'),
    id,
    channel,
    ...at,
    ...list,
    recovered: z.boolean().exactOptional(),
    limited: z.strictObject({ plan: z.string(), historyDays: z.int().nonnegative() }).exactOptional(),
    acked: prev.exactOptional(),
    replay: z.strictObject({ from: time, to: time, speed: z.number().nonnegative() }).exactOptional(),
  }),
  z.strictObject({
    type: z.literal('candle'),
    channel,
    ...at,
    prev: prev.exactOptional(),
    candle: wireCandle,
  }),
  z.strictObject({ type: z.literal('gap'), channel, ...at, prev, ...wireGap.shape }),
  z.strictObject({
    type: z.literal('heartbeat'),
    channel,
    ...at,
    stale: z.literal(true).exactOptional(),
    time: time.exactOptional(),
  }),
  z.strictObject({
    type: z.literal('replay_end'),
    channel,
    ...at,
    time,
    reason: z.union([z.literal('end'), errorCode]),
    message: z.string().exactOptional(),
  }),
  z.strictObject({ type: z.literal('resync'), channel, ...at, ...list, recovered: z.boolean() }),
  z.strictObject({ type: z.literal('status'), channel: z.literal('status'), ...at, symbols: z.array(symbolStatus) }),
  signalMessage,
  z.strictObject({ type: z.literal('signals'), ...signals, prev, signals: z.array(wireSignal) }),
  z.strictObject({ type: z.literal('acked'), id, ...signals }),
  z.strictObject({
    type: z.literal('authenticated'),
    id,
    userId: z.string(),
    role: z.enum(['user', 'publisher', 'admin']),
    plan: z.string(),
    expiresAt: time.nullable(),
  }),
  z.strictObject({ type: z.literal('auth_expiring'), expiresAt: time }),
  z.strictObject({
    type: z.literal('unsubscribed'),
    id,
    channel,
    reason: errorCode.exactOptional(),
    message: z.string().exactOptional(),
  }),
  z.strictObject({ type: z.literal('channels'), id, channels: z.array(z.string()) }),
  z.strictObject({ type: z.literal('pong'), id, time }),
  z.strictObject({
    type: z.literal('error'),
    id,
    channel: channel.exactOptional(),
    code: errorCode,
    message: z.string(),
    plan: z.string().exactOptional(),
    limit: limitName.exactOptional(),
  }),
]) satisfies z.ZodType<ServerMessage>;

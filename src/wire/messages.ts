import { z } from 'zod';
import type { Bar, Gap } from '../market/candle.js';
import { CHANNEL_PATTERN } from '../market/channel.js';
import type { SymbolStatus } from '../market/event.js';
import type { Position } from '../market/position.js';
import type { ErrorCode } from './codes.js';
import type { Entitlements, UserRole } from './identity.js';
import type { SignalMessage, WireSignal } from './signals.js';

/** Limits of the native protocol. */
export const LIMITS = {
  inboundBytes: 4096,
  channelsPerMessage: 200,
  channelsPerConnection: 1024,
  snapshotCandles: 1000,
  idLength: 64,
  channelLength: 128,
  /** Leaves room for the rest of an `auth` message, also for an `id` that is all escapes. */
  tokenLength: 3072,
  deviceLength: 64,
  /** Virtual seconds a second. */
  replaySpeed: 100_000,
} as const;

/** In front of a token offered as a subprotocol. */
export const BEARER_PREFIX = 'candlecast.bearer.';

const id = z.union([z.string().max(LIMITS.idLength), z.int()]).optional();
const channelName = z.string().max(LIMITS.channelLength).meta({ id: 'ChannelName', pattern: CHANNEL_PATTERN.source });
const device = z.string().regex(new RegExp(`^[\\w.:-]{1,${LIMITS.deviceLength}}$`), {
  error: `1 to ${LIMITS.deviceLength} characters of A-Z, a-z, 0-9, "_", ".", ":" and "-"`,
});
const position = z
  .strictObject({ epoch: z.int().nonnegative(), seq: z.int().nonnegative() })
  .meta({ id: 'Position', description: 'Where a channel stands. Of the last message that was seen.' });

/**
 * A channel to subscribe: its name, or an object. `snapshot`: how many of the latest closed candles to send first
 * (default 0 for none but the open one). `atOnce`: no more of them than are in memory, so that no database is waited for. `position`: resume from there instead; the snapshot is what comes where that cannot be.
 * `device` is for `signals`: whose `ack` it is.
 */
const subscribeItem = z.union([
  channelName,
  z.strictObject({
    channel: channelName,
    snapshot: z.int().min(0).max(LIMITS.snapshotCandles).optional(),
    atOnce: z.boolean().optional(),
    position: position.optional(),
    device: device.optional(),
  }),
]);

/**
 * Stored history in place of live, for all channels of the message in one order of time. Minutes that opened in [from, to), epoch ms; without `to`
 * up to now. `speed`: virtual seconds a second, default 1; 0 = as fast as the client reads.
 */
const speedRule = { error: `0 for as fast as you read, or 0.01 to ${LIMITS.replaySpeed}` };
const replay = z.strictObject({
  from: z.int().nonnegative(),
  to: z.int().nonnegative().optional(),
  speed: z
    .union([z.literal(0), z.number().min(0.01, speedRule).max(LIMITS.replaySpeed, speedRule)], speedRule)
    .optional(),
});

/** What a client may send. */
export const clientMessage = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('subscribe'),
    id,
    channels: z.array(subscribeItem).min(1).max(LIMITS.channelsPerMessage),
    snapshot: z.int().min(0).max(LIMITS.snapshotCandles).optional(),
    replay: replay.optional(),
  }),
  z.strictObject({
    op: z.literal('unsubscribe'),
    id,
    channels: z.array(channelName).min(1).max(LIMITS.channelsPerConnection),
  }),
  z.strictObject({ op: z.literal('auth'), id, token: z.string().min(1).max(LIMITS.tokenLength) }),
  z.strictObject({ op: z.literal('ack'), id, channel: z.literal('signals'), seq: z.int().nonnegative() }),
  z.strictObject({ op: z.literal('list'), id }),
  z.strictObject({ op: z.literal('ping'), id }),
]);

export type ClientMessage = z.infer<typeof clientMessage>;
export type MessageId = string | number;

/** A candle on the wire, in REST and WebSocket alike: `t` open time (epoch ms), `n` trades, `x` closed, `r` revision. */
export interface WireCandle {
  t: number;
  o: string;
  h: string;
  l: string;
  c: string;
  v: string;
  n: number;
  x: boolean;
  r: number;
}

/** What a replay plays: minutes that opened in [from, to), epoch ms; `speed` 0: as fast as the client reads. */
export interface ReplayRange {
  from: number;
  to: number;
  speed: number;
}

export interface WireGap {
  from: number;
  to: number;
  reason: string;
}

/** What a plan has cut off an answer: candles that had ended `historyDays` before now. */
export interface Limited {
  plan: string;
  historyDays: number;
}

/** What the server sends. Every message on a channel carries `epoch` and `seq`. */
export type ServerMessage =
  | { type: 'welcome'; protocol: 'candlecast.v1'; server: string; time: number; heartbeatMs: number }
  | ({
      type: 'subscribed';
      id?: MessageId;
      channel: string;
      /** Present when a position was sent: true = `candles` and `gaps` are everything missed since it; false = a fresh snapshot. */
      recovered?: boolean;
      /** Closed candles ascending, then the open one where there is one and the channel carries it. */
      candles: WireCandle[];
      gaps: WireGap[];
      /** The plan bounds the history: there may be more. */
      limited?: Limited;
      /** Of `signals`: up to where the device has acknowledged; 0 = never. */
      acked?: number;
      /** It is a replay, of this. */
      replay?: ReplayRange;
    } & Position)
  | ({ type: 'candle'; channel: string; prev?: number; candle: WireCandle } & Position)
  | ({ type: 'gap'; channel: string; prev: number } & WireGap & Position)
  /** `stale` (true, or left out): the server is cut off from its source; what the client has may be old. */
  | ({
      type: 'heartbeat';
      channel: string;
      stale?: true;
      /** Of a replay: how far its clock has come, epoch ms. */
      time?: number;
    } & Position)
  /** A replay has come to its end, or (with an error code and `message`) cannot go on: nothing of the channel comes any more. */
  | ({ type: 'replay_end'; channel: string; time: number; reason: 'end' | ErrorCode; message?: string } & Position)
  /** Sent in place of what a slow client missed: everything durable since its last position, then live goes on. */
  | ({ type: 'resync'; channel: string; candles: WireCandle[]; gaps: WireGap[]; recovered: boolean } & Position)
  | ({ type: 'status'; channel: 'status'; symbols: SymbolStatus[] } & Position)
  /** A new signal; `prev` is the position before it. */
  | SignalMessage
  /** Signals that were missed, ascending: everything after `prev` up to `seq` but what has expired or was deleted. */
  | ({ type: 'signals'; channel: 'signals'; prev: number; signals: WireSignal[] } & Position)
  | ({ type: 'acked'; id?: MessageId; channel: 'signals' } & Position)
  /** Answers `auth`; without `id` also tells of another role or plan, or answers a token in the subprotocol. `expiresAt` null: until it is revoked. */
  | { type: 'authenticated'; id?: MessageId; userId: string; role: UserRole; plan: string; expiresAt: number | null }
  /** A minute before: send `auth` with a fresh token. */
  | { type: 'auth_expiring'; expiresAt: number }
  /** `reason` and `message` where the server did it by itself. */
  | { type: 'unsubscribed'; id?: MessageId; channel: string; reason?: ErrorCode; message?: string }
  | { type: 'channels'; id?: MessageId; channels: string[] }
  | { type: 'pong'; id?: MessageId; time: number }
  /** `plan` and `limit` (a name of `Entitlements`) with the code `plan_limit`. */
  | {
      type: 'error';
      id?: MessageId;
      channel?: string;
      code: ErrorCode;
      message: string;
      plan?: string;
      limit?: LimitName;
    };

export type LimitName = Exclude<keyof Entitlements, 'plan'>;

export function toWireCandle(candle: Bar): WireCandle {
  return {
    t: candle.openTime,
    o: candle.open,
    h: candle.high,
    l: candle.low,
    c: candle.close,
    v: candle.volume,
    n: candle.trades,
    x: candle.closed,
    r: candle.revision,
  };
}

export function toWireGap(gap: Gap): WireGap {
  return { from: gap.from, to: gap.to, reason: gap.reason };
}

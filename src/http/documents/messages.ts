import type { ClientMessage, ServerMessage } from '../../wire/messages.js';

/** What each message of the native protocol is for, with one of each. */

type MessageType = ServerMessage['type'];

interface Described<T> {
  readonly summary: string;
  readonly example: T;
}

const CANDLES = 'candles:BTCUSDT:1m';
const USER = '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f';
const at = { epoch: 7, seq: 30890608558080 };
const open = {
  t: 1767575700000,
  o: '65.00000000',
  h: '65.20000000',
  l: '65.00000000',
  c: '65.20000000',
  v: '1.00000000',
  n: 1,
  x: false,
  r: 0,
};
const closed = { ...open, c: '65.10000000', v: '1.50000000', n: 3, x: true };
const signal = {
  id: '0198f0c2-b1b2-7c3d-8e4f-5a6b7c8d9e0f',
  seq: 5,
  type: 'note',
  symbol: 'BTCUSDT',
  data: { text: 'hello' },
  createdAt: 1767575700000,
  expiresAt: null,
  source: 'publisher',
} as const;

/** `replies`: what answers it; an error may answer each. */
export const REQUESTS: {
  readonly [Op in ClientMessage['op']]: Described<Extract<ClientMessage, { op: Op }>> & {
    readonly replies: readonly MessageType[];
  };
} = {
  subscribe: {
    summary:
      'Begin channels, each with a snapshot, or from a position on. `replay` plays stored history in place of live.',
    example: {
      op: 'subscribe',
      id: 1,
      channels: [CANDLES, { channel: 'candles:BTCUSDT:1h:closed', snapshot: 24 }],
      snapshot: 3,
    },
    replies: ['subscribed'],
  },
  unsubscribe: {
    summary: 'End channels.',
    example: { op: 'unsubscribe', id: 2, channels: [CANDLES] },
    replies: ['unsubscribed'],
  },
  auth: {
    summary: 'Make the connection that of a user, or give it a fresh token.',
    example: { op: 'auth', id: 3, token: 'cck_…' },
    replies: ['authenticated'],
  },
  ack: {
    summary: 'A device has all signals up to a seq.',
    example: { op: 'ack', id: 4, channel: 'signals', seq: 5 },
    replies: ['acked'],
  },
  list: { summary: 'Which channels the connection has.', example: { op: 'list', id: 5 }, replies: ['channels'] },
  ping: { summary: 'A round trip.', example: { op: 'ping', id: 6 }, replies: ['pong'] },
};

export const ANSWERS: { readonly [Type in MessageType]: Described<Extract<ServerMessage, { type: Type }>> } = {
  welcome: {
    summary: 'The first message of a connection.',
    example: {
      type: 'welcome',
      protocol: 'candlecast.v1',
      server: 'candlecast/0.1.0',
      time: 1767575700000,
      heartbeatMs: 10000,
    },
  },
  subscribed: {
    summary: 'A channel begins: what was asked for of its history. Live follows without a seam.',
    example: { type: 'subscribed', id: 1, channel: CANDLES, ...at, candles: [closed], gaps: [] },
  },
  candle: {
    summary: 'The open candle as it stands, a close, or a correction. The last two have `prev`.',
    example: { type: 'candle', channel: CANDLES, ...at, candle: open },
  },
  gap: {
    summary: 'The feed was away: candles of a stretch are missing or lack trades. It comes before any candle after it.',
    example: {
      type: 'gap',
      channel: CANDLES,
      ...at,
      prev: 30890607509504,
      from: 1767575760000,
      to: 1767575820000,
      reason: 'disconnected',
    },
  },
  heartbeat: {
    summary:
      'The position of a channel on which nothing else came. `stale` where the server is cut off from its source; `time`: the clock of a replay.',
    example: { type: 'heartbeat', channel: CANDLES, ...at },
  },
  replay_end: {
    summary:
      'A replay is over: `reason` is `end`, or the error code that says why it cannot go on. The channel is free again.',
    example: { type: 'replay_end', channel: CANDLES, ...at, time: 1767576000000, reason: 'end' },
  },
  resync: {
    summary: 'In place of what a slow client missed: everything durable since its position.',
    example: { type: 'resync', channel: CANDLES, ...at, candles: [closed], gaps: [], recovered: true },
  },
  status: {
    summary: 'Health of the feeds: all symbols after `subscribed`, then what changes.',
    example: {
      type: 'status',
      channel: 'status',
      epoch: 1767575600,
      seq: 1,
      symbols: [
        {
          symbol: 'BTCUSDT',
          source: 'binance',
          synthetic: false,
          state: 'live',
          since: 1767575600000,
          lastTradeTime: 1767575699000,
        },
      ],
    },
  },
  signal: {
    summary: 'A new signal.',
    example: { type: 'signal', channel: 'signals', epoch: 1767575600, seq: 5, prev: 4, signal },
  },
  signals: {
    summary: 'Signals that were missed: everything after `prev` up to `seq`.',
    example: { type: 'signals', channel: 'signals', epoch: 1767575600, seq: 5, prev: 2, signals: [signal] },
  },
  acked: {
    summary: 'The acknowledgement is written.',
    example: { type: 'acked', id: 4, channel: 'signals', epoch: 1767575600, seq: 5 },
  },
  authenticated: {
    summary: 'Whose connection it is, and with which plan. Without `id` the role or the plan has changed.',
    example: { type: 'authenticated', id: 3, userId: USER, role: 'user', plan: 'pro', expiresAt: 1767576600000 },
  },
  auth_expiring: {
    summary: 'The token expires in a minute: send `auth` with a fresh one.',
    example: { type: 'auth_expiring', expiresAt: 1767576600000 },
  },
  unsubscribed: {
    summary: 'Nothing of the channel comes any more. `reason` where the server ended it.',
    example: { type: 'unsubscribed', id: 2, channel: CANDLES },
  },
  channels: { summary: 'The channels of the connection.', example: { type: 'channels', id: 5, channels: [CANDLES] } },
  pong: { summary: 'The answer to `ping`.', example: { type: 'pong', id: 6, time: 1767575700000 } },
  error: {
    summary: 'A reply that says what was wrong. The connection goes on.',
    example: {
      type: 'error',
      id: 1,
      channel: 'candles:NOTHING:1m',
      code: 'unknown_symbol',
      message: 'no feed has this symbol and nothing is stored for it',
    },
  },
};

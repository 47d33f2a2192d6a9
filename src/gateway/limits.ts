import { LIMITS } from '../wire/messages.js';

/** What bounds a gateway. Every one is answered by name: an error reply, a refusal or a close. */
export interface GatewayLimits {
  readonly connections: number;
  readonly connectionsPerAddress: number;
  readonly channelsPerConnection: number;
  /** Sustained rate of inbound messages of a connection, and how many may come at once. */
  readonly messagesPerSecond: number;
  readonly messageBurst: number;
  /** Frames in a row that are no messages before the connection is closed. */
  readonly invalidInARow: number;
  /** Refused tokens in a row before the connection is closed. */
  readonly authFailures: number;
  /** What may wait of the messages of a connection while its token is verified, and how long that may take. */
  readonly waitingBytes: number;
  readonly verifyMs: number;
  /** How long before a token expires its connection is warned. */
  readonly expiryWarningMs: number;
  /** How often every login is looked at again. */
  readonly recheckMs: number;
  /** Replays at a time: of this server, of a user (of visitors: an address), of a connection. */
  readonly replays: number;
  readonly replaysPerUser: number;
  readonly replaysPerConnection: number;
  /** A resume of more candles than this answers a fresh snapshot. */
  readonly resumeCandles: number;
  /** Above this a connection is lagging. */
  readonly lagBytes: number;
  /** A ping unanswered for longer means lagging. */
  readonly pongTimeoutMs: number;
  readonly pingPeriodMs: number;
  /** A lagging connection that has not drained by then is closed. */
  readonly lagTimeoutMs: number;
  /** More lags than this, each less than a minute after the one before, close the connection. */
  readonly lagsInARow: number;
  /** Large replies wait until less than this is buffered. */
  readonly replyBytes: number;
  /** A connection whose buffer would pass this is cut. */
  readonly maxBufferedBytes: number;
  readonly idleTimeoutMs: number;
  readonly heartbeatMs: number;
  /** How often connections are looked at: buffers, pings, deadlines. */
  readonly sweepMs: number;
  /** How often quiet channels are compared with the bus, and how often it is said that data is stale. */
  readonly watchMs: number;
  /** How long a subscriber waits for a bus that is away, or behind the position it brings. */
  readonly catchUpMs: number;
  /** How long a channel without subscribers stays loaded. */
  readonly lingerMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  connections: 100_000,
  connectionsPerAddress: 10_000,
  channelsPerConnection: LIMITS.channelsPerConnection,
  messagesPerSecond: 20,
  messageBurst: 200,
  invalidInARow: 20,
  authFailures: 3,
  waitingBytes: 64 * 1024,
  verifyMs: 10_000,
  expiryWarningMs: 60_000,
  recheckMs: 60_000,
  replays: 64,
  replaysPerUser: 16,
  replaysPerConnection: 4,
  resumeCandles: 10_000,
  lagBytes: 256 * 1024,
  pongTimeoutMs: 10_000,
  pingPeriodMs: 5_000,
  lagTimeoutMs: 30_000,
  lagsInARow: 5,
  replyBytes: 64 * 1024,
  maxBufferedBytes: 4 * 1024 * 1024,
  idleTimeoutMs: 60_000,
  heartbeatMs: 10_000,
  sweepMs: 1_000,
  watchMs: 1_000,
  catchUpMs: 3_000,
  lingerMs: 5_000,
};

/** @throws Error when limits contradict each other. */
export function assertLimits(limits: GatewayLimits): void {
  const fits = (ok: boolean, rule: string): void => {
    if (!ok) throw new Error(`gateway limits: ${rule}`);
  };
  fits(limits.replyBytes < limits.lagBytes, 'replyBytes must be below lagBytes');
  fits(limits.lagBytes < limits.maxBufferedBytes, 'lagBytes must be below maxBufferedBytes');
  fits(limits.resumeCandles * 200 < limits.maxBufferedBytes, 'a full resume must fit into maxBufferedBytes');
  fits(limits.pingPeriodMs < limits.idleTimeoutMs, 'pingPeriodMs must be below idleTimeoutMs');
}

import { DurationHistogram } from '../kit/histogram.js';
import { StageLag } from '../market/stage-lag.js';
import { CLOSE, type ErrorCode } from '../wire/codes.js';

export type DeliveryKind = 'update' | 'closed' | 'gap' | 'heartbeat' | 'status' | 'snapshot' | 'resync' | 'signal';

/** Why there was no connection, by the status of the answer. */
const REFUSALS = { 401: 'auth', 403: 'origin', 404: 'path', 429: 'address_limit', 503: 'no_room' } as const;

export type RefusalReason = (typeof REFUSALS)[keyof typeof REFUSALS] | 'request';

/** Our own, and those of RFC 6455 that say something: a client may close with any of four thousand. */
const CLOSE_CODES: ReadonlySet<number> = new Set([
  1000,
  1001,
  1005,
  1006,
  1011,
  ...Object.values(CLOSE).map(({ code }) => code),
]);

/** Plain counters, read by the metrics when they are asked for. */
export class GatewayStats {
  connections = 0;
  connectionsTotal = 0;
  readonly refusals: Record<RefusalReason, number> = {
    auth: 0,
    origin: 0,
    path: 0,
    address_limit: 0,
    no_room: 0,
    request: 0,
  };
  subscriptions = 0;
  /** Connections that are lagging now. */
  lagging = 0;
  lagsTotal = 0;
  /** Channels healed after a hole in what came over the bus. */
  heals = 0;
  /** Channels whose subscribers have been told that what they have may be old. */
  staleChannels = 0;
  /** Events dropped because a newer writer has taken over. */
  outdatedEvents = 0;
  /** Frames sent as they came over the bus, not encoded again. */
  passedFrames = 0;
  historyReads = 0;
  /** Replays that go on now. */
  replays = 0;
  replaysTotal = 0;
  /** Candles read and played. */
  replayCandles = 0;
  /** Users with connections here, and those connections. */
  users = 0;
  authenticated = 0;
  /** Tokens that were refused. */
  authFailures = 0;
  /** Logins that were looked at again. */
  rechecks = 0;
  /** Reads of missed signals. */
  signalReads = 0;
  readonly deliveries: Record<DeliveryKind, number> = {
    update: 0,
    closed: 0,
    gap: 0,
    heartbeat: 0,
    status: 0,
    snapshot: 0,
    resync: 0,
    signal: 0,
  };
  readonly closes: Record<string, number> = {};
  readonly errors: Partial<Record<ErrorCode, number>> = {};

  /** When events arrived over the bus, and when they had been handed to the sockets. */
  readonly arrived = new StageLag();
  readonly handed = new StageLag();
  /** From a ping to its answer: everything sent before it has been read. */
  readonly roundTrip = new DurationHistogram();
  /** From the making of a signal to its sockets. */
  readonly signalLag = new DurationHistogram();

  refused(status: number): void {
    this.refusals[REFUSALS[status as keyof typeof REFUSALS] ?? 'request']++;
  }

  closed(code: number): void {
    const name = CLOSE_CODES.has(code) ? String(code) : 'other';
    this.closes[name] = (this.closes[name] ?? 0) + 1;
  }

  error(code: ErrorCode): void {
    this.errors[code] = (this.errors[code] ?? 0) + 1;
  }
}

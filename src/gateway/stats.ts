import type { ErrorCode } from '../wire/codes.js';

export type DeliveryKind = 'update' | 'closed' | 'gap' | 'heartbeat' | 'status' | 'snapshot' | 'resync' | 'signal';

/** Plain counters, read by the metrics when they are asked for. */
export class GatewayStats {
  connections = 0;
  connectionsTotal = 0;
  refused = 0;
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

  closed(code: number): void {
    this.closes[code] = (this.closes[code] ?? 0) + 1;
  }

  error(code: ErrorCode): void {
    this.errors[code] = (this.errors[code] ?? 0) + 1;
  }
}

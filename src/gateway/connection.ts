import type { Position } from '../market/position.js';
import type { Encoding } from '../wire/codec.js';
import type { Limited, MessageId } from '../wire/messages.js';
import type { Dialect } from './dialect.js';
import type { Login } from './login.js';
import type { ReplayChannel } from './replay/channel.js';
import type { Replay } from './replay/replay.js';
import type { Topic } from './topic.js';
import type { Socket } from './transport/transport.js';

export type AnyTopic = Topic;
export type ClientSocket = Socket<Connection>;

/** Something a connection waits for: its first answer on a channel, or what it missed while it lagged. */
export interface Job {
  readonly topic: AnyTopic;
  readonly kind: 'subscribe' | 'resync';
  readonly id: MessageId | undefined;
  readonly snapshot: number | null;
  readonly atOnce: boolean;
  readonly position: Position | null;
  /** How far back the plan lets it look. */
  readonly bound: Limited | null;
  /** Of `signals`: the seq up to which everything was sent; -1: not answered yet. */
  at: number;
  cancelled: boolean;
}

/** It was answered `subscribed`. */
export function isSubscribed(job: Job): boolean {
  return job.kind === 'resync' || job.at >= 0;
}

/** Shared by all connections that have none, so that an idle one holds no array of its own. */
const NO_JOBS: readonly Job[] = [];
const NO_REPLAYS: readonly Replay[] = [];

/**
 * What the gateway knows of one connection. There may be very many: plain numbers and one array, no sets, maps or closures.
 * A topic it has is either in `live` (subscribed at the transport) or in `jobs`. Times are ms since the gateway started.
 */
export class Connection {
  socket: ClientSocket | null = null;
  live: AnyTopic[] = [];
  jobs: readonly Job[] = NO_JOBS;
  /** Stored history on channels of its own. */
  replays: readonly Replay[] = NO_REPLAYS;
  /** Runs the jobs; `wake` ends its waiting. */
  running = false;
  wake: (() => void) | null = null;
  /** Inbound rate: tokens left, when they were counted, messages refused since the bucket was full. */
  tokens: number;
  tokensAt = 0;
  refused = 0;
  /** Frames in a row that were no messages. */
  invalid = 0;
  /** The ping under way: its number, and when it was sent (-1: answered). */
  pingNumber = 0;
  pingAt = -1;
  /** When it began to lag; -1: it does not. */
  lagAt = -1;
  lastLagAt = 0;
  lags = 0;
  /** Null: anonymous. */
  login: Login | null = null;
  /** Tokens that were refused since the last good one. */
  authFailures = 0;
  /** Frames that wait for a token to be verified; null: none is. */
  waiting: (string | null)[] | null = null;
  /** A close was sent: nothing it sends counts any more. */
  closing = false;

  constructor(
    readonly dialect: Dialect,
    readonly encoding: Encoding,
    /** Spreads the pings of all connections over their period. */
    readonly slot: number,
    tokens: number,
    /** Offered as a subprotocol; null once it is being verified. */
    public bearer: string | null,
  ) {
    this.tokens = tokens;
  }

  get lagging(): boolean {
    return this.lagAt >= 0;
  }

  get channels(): number {
    const replayed = this.replays.reduce((count, replay) => count + replay.channels.length, 0);
    return this.live.length + this.jobs.length + replayed;
  }

  has(topic: AnyTopic): boolean {
    return this.live.includes(topic) || this.jobs.some((job) => job.topic === topic);
  }

  /** The replay that has the channel, and its place in it; null: none has. */
  replayOf(name: string): { readonly replay: Replay; readonly channel: ReplayChannel } | null {
    for (const replay of this.replays) {
      const channel = replay.channels.find((candidate) => candidate.name === name);
      if (channel !== undefined) return { replay, channel };
    }
    return null;
  }

  addJobs(jobs: readonly Job[]): void {
    if (jobs.length > 0) this.jobs = [...this.jobs, ...jobs];
  }

  /** Ends a wait of the jobs and the replays, if there is one. */
  stir(): void {
    for (const replay of this.replays) replay.stir();
    const wake = this.wake;
    this.wake = null;
    wake?.();
  }

  removeJob(job: Job): void {
    this.jobs = this.jobs.length === 1 ? NO_JOBS : this.jobs.filter((other) => other !== job);
  }
}

import type { Frame } from '../../wire/codec.js';
import type { ErrorCode } from '../../wire/codes.js';
import type { Limited, ReplayRange } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { type Context, type ErrorDetails, reply, replyError } from '../context.js';
import { isHistoryUnavailable } from '../history.js';
import { mustWait } from '../waiting.js';
import { beginSymbol, subscribedMessage } from './begin.js';
import { type ChannelRequest, ReplayChannel } from './channel.js';
import { Pace } from './pace.js';
import type { ReplaySource } from './source.js';
import type { Track } from './track.js';
import { type Beginning, tracksOf } from './tracks.js';
import { Unread } from './unread.js';

/** Candles read from the store that are played before everybody else has a turn. */
const CANDLES_A_TURN = 24;

type Refusal = Pick<ErrorDetails, 'code' | 'message' | 'plan' | 'limit'>;

export interface ReplayRequest {
  readonly channels: readonly ChannelRequest[];
  readonly range: ReplayRange;
  /** How far back the plan lets it look. */
  readonly bound: Limited | null;
  /** Called once, as soon as nothing more of it comes: its place is free. */
  onOver(): void;
}

/** Stored history on the channels of one `subscribe`: one clock, one order of time, no faster than the client is shown to read. */
export class Replay {
  readonly #connection: Connection;
  readonly #request: ReplayRequest;
  readonly #source: ReplaySource;
  readonly #context: Context;
  readonly #unread = new Unread();
  #channels: readonly ReplayChannel[];
  #tracks: readonly Track[] = [];
  #pace: Pace | null = null;
  #wake: (() => void) | null = null;
  #isDone = false;

  constructor(connection: Connection, request: ReplayRequest, source: ReplaySource, context: Context) {
    this.#connection = connection;
    this.#request = request;
    this.#source = source;
    this.#context = context;
    const send = (frame: Frame): void => this.#send(frame);
    this.#channels = request.channels.map((one) => new ReplayChannel(one, connection.encoding, send));
  }

  get channels(): readonly ReplayChannel[] {
    return this.#channels;
  }

  /** Something about the connection has changed. */
  stir(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** The client has read everything up to a ping of ours. */
  answered(payload: string): void {
    this.#unread.answered(payload);
    this.stir();
  }

  /** Nothing of the channel comes any more. */
  drop(channel: ReplayChannel): void {
    this.#channels = this.#channels.filter((other) => other !== channel);
    this.#tracks = this.#tracks.filter((track) => track.drop(channel));
    if (this.#channels.length === 0) this.#over();
    this.stir();
  }

  /** It is not given any more: its answer is that, or it ends. */
  withdraw(channel: ReplayChannel, refusal: Refusal): void {
    if (!channel.subscribed) {
      this.#refuse(channel, refusal);
      return;
    }
    this.drop(channel);
    const { code: reason, message } = refusal;
    reply(this.#connection, { type: 'unsubscribed', channel: channel.name, reason, message });
  }

  /** To each channel that was quiet since the last round. */
  heartbeat(): void {
    const time = this.#time();
    for (const channel of this.#channels) {
      if (channel.subscribed && !channel.spoke && !mustWait(this.#connection, this.#context))
        reply(this.#connection, { type: 'heartbeat', channel: channel.name, ...channel.position, time });
      channel.spoke = false;
    }
  }

  /** Resolves when it has ended and said so, or nobody wants it any more. Does not reject. */
  async run(): Promise<void> {
    try {
      await this.#begin();
      await this.#play();
      this.#end(this.#request.range.to, { reason: 'end' });
    } catch (error) {
      const { code, message } = this.#explain(error);
      for (const channel of this.#channels) if (!channel.subscribed) this.#refuse(channel, { code, message });
      this.#end(this.#time(), { reason: code, message });
    }
  }

  #end(time: number, why: { reason: 'end' | ErrorCode; message?: string }): void {
    if (!this.#isOver)
      for (const { name, position } of this.#channels)
        reply(this.#connection, { type: 'replay_end', channel: name, ...position, time, ...why });
    this.#channels = [];
    this.#over();
  }

  #over(): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#request.onOver();
  }

  #explain(error: unknown): { code: ErrorCode; message: string } {
    if (isHistoryUnavailable(error))
      return { code: 'history_unavailable', message: 'history cannot be read now; go on from your position later' };
    this.#context.log.error({ error }, 'a replay failed');
    return { code: 'internal', message: 'an error of ours; it is logged' };
  }

  get #isOver(): boolean {
    return this.#connection.socket === null || this.#connection.closing || this.#channels.length === 0;
  }

  /** How far its clock has come, epoch ms. */
  #time(): number {
    const { from, to } = this.#request.range;
    return this.#pace?.time(Math.min(this.#soonest()?.at ?? to, to)) ?? from;
  }

  async #begin(): Promise<void> {
    const { range, bound } = this.#request;
    const beginnings = new Map<string, Beginning>();
    for (const symbol of new Set(this.#channels.map((channel) => channel.symbol))) {
      if (this.#isOver) return;
      const channels = this.#channels.filter((channel) => channel.symbol === symbol);
      const beginning = await beginSymbol(symbol, range, bound, channels, this.#source);
      if ('code' in beginning) for (const channel of channels) this.#refuse(channel, beginning);
      else beginnings.set(symbol, beginning);
    }
    for (const channel of this.#channels) {
      const beginning = beginnings.get(channel.symbol);
      if (beginning === undefined || this.#isOver) continue;
      const message = await subscribedMessage(channel, beginning, range, bound, this.#source);
      while (mustWait(this.#connection, this.#context) && !this.#isOver) await this.#stirred();
      if (!this.#channels.includes(channel)) continue;
      channel.subscribed = true;
      reply(this.#connection, message);
    }
    this.#tracks = [...beginnings].flatMap(([symbol, beginning]) => {
      const channels = this.#channels.filter((channel) => channel.symbol === symbol);
      return channels.length === 0 ? [] : tracksOf(beginning, channels, this.#source, this.#channels.length);
    });
    for (const track of this.#tracks) await track.fill();
    this.#pace = new Pace(range.speed, range.from, this.#context.clock);
  }

  #refuse(channel: ReplayChannel, refusal: Refusal): void {
    if (!this.#channels.includes(channel)) return;
    this.#channels = this.#channels.filter((other) => other !== channel);
    const { code, message, plan, limit } = refusal;
    const why = plan === undefined || limit === undefined ? {} : { plan, limit };
    const details = { code, message, ...why, id: channel.request.id, channel: channel.name };
    replyError(this.#connection, details, this.#context.stats);
  }

  async #play(): Promise<void> {
    const { turns } = this.#context.replays;
    for (let track = this.#soonest(); track !== null && !this.#isOver; track = this.#soonest()) {
      const waitMs = track.ready ? (this.#pace?.waitMs(track.at) ?? 0) : 0;
      if (!track.ready) await track.fill();
      else if (waitMs > 0) await this.#stirred(waitMs);
      else if (this.#mustWait) await this.#stirred();
      else {
        await turns.next();
        this.#connection.socket?.cork(() => this.#playSome());
      }
    }
  }

  get #mustWait(): boolean {
    return this.#unread.full || mustWait(this.#connection, this.#context);
  }

  #playSome(): void {
    for (let played = 0; played < CANDLES_A_TURN; ) {
      const track = this.#soonest();
      if (track === null || !track.ready || this.#mustWait || (this.#pace?.waitMs(track.at) ?? 0) > 0) return;
      const { at } = track;
      if (track.play()) this.#context.stats.replayCandles++;
      played++;
      this.#pace?.played(at);
    }
  }

  /** What comes next; one that has to be filled first where that is not known. null: it is over. */
  #soonest(): Track | null {
    let soonest: Track | null = null;
    for (const track of this.#tracks) {
      if (!track.ready) return track;
      if (track.at < (soonest?.at ?? Number.POSITIVE_INFINITY)) soonest = track;
    }
    return soonest;
  }

  #send(frame: Frame): void {
    const { socket } = this.#connection;
    socket?.send(frame);
    const ping = this.#unread.sent(frame.length);
    if (ping !== null) socket?.ping(ping);
  }

  /** Until something about the connection has changed, or the time is over. */
  #stirred(limitMs: number | null = null): Promise<void> {
    return new Promise((resolve) => {
      const cancel = limitMs === null ? () => {} : this.#context.clock.after(limitMs, () => this.stir());
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

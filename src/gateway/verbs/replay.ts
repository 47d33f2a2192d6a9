import { type Channel, parseChannel } from '../../market/channel.js';
import { bucketStart, MINUTE_MS } from '../../market/interval.js';
import type { ClientMessage, ReplayRange } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { type Context, type ErrorDetails, replyError } from '../context.js';
import { boundOf, channelsRefusal, planOf, refusalOf } from '../entitled.js';
import type { ChannelRequest } from '../replay/channel.js';
import { Replay } from '../replay/replay.js';

type Subscribe = Extract<ClientMessage, { op: 'subscribe' }>;
type Wanted = Exclude<Subscribe['channels'][number], string>;
type Refusal = Pick<ErrorDetails, 'code' | 'message' | 'plan' | 'limit'>;

/**
 * One reply a channel, `subscribed` or an error, as live; then the history, then `replay_end`. What is wrong with the replay as a whole is
 * one error without a channel, and nothing begins.
 */
export function replay(connection: Connection, message: Subscribe, context: Context): void {
  const { replays, clock, stats } = context;
  const range = rangeOf(message, clock.now());
  if (typeof range === 'string') {
    replyError(connection, { id: message.id, code: 'invalid_message', message: range }, stats);
    return;
  }
  if (replays.source === null) {
    const text = 'this server has nothing to replay from';
    replyError(connection, { id: message.id, code: 'history_unavailable', message: text }, stats);
    return;
  }
  const leave = replays.enter(connection, context);
  if (typeof leave !== 'function') {
    replyError(connection, { ...leave, id: message.id }, stats);
    return;
  }
  const channels = requestsOf(connection, message, context);
  const bound = boundOf(planOf(connection, context));
  const onOver = (): void => {
    stop();
    leave();
    connection.replays = connection.replays.filter((other) => other !== started);
  };
  const started: Replay = new Replay(connection, { channels, range, bound, onOver }, replays.source, context);
  connection.replays = [...connection.replays, started];
  const stop = clock.every(context.limits.heartbeatMs, () => started.heartbeat());
  void started.run();
}

/** Whole minutes; or what is wrong. */
function rangeOf({ replay }: Subscribe, nowMs: number): ReplayRange | string {
  if (replay === undefined) return 'replay: missing';
  const { from, to = nowMs, speed = 1 } = replay;
  if (from >= nowMs) return `replay.from: lies in the future: it is ${nowMs} now`;
  if (to > nowMs) return `replay.to: lies in the future: it is ${nowMs} now; leave it out to play all there is`;
  if (from >= to) return 'replay.from: must be before replay.to (which is exclusive)';
  const range = { from: minuteUp(from), to: minuteUp(to), speed };
  return range.from < range.to ? range : 'replay: no minute begins between from and to';
}

function minuteUp(timeMs: number): number {
  return bucketStart('1m', timeMs + MINUTE_MS - 1);
}

/** Those that may be played; the others are answered at once. */
function requestsOf(connection: Connection, message: Subscribe, context: Context): ChannelRequest[] {
  const requests: ChannelRequest[] = [];
  for (const item of message.channels) {
    const wanted = typeof item === 'string' ? { channel: item } : item;
    const channel = parseChannel(wanted.channel);
    const refusal =
      typeof channel === 'string'
        ? ({ code: 'bad_channel', message: channel } as const)
        : refuse(connection, wanted, channel, requests, context);
    if (refusal !== null)
      replyError(connection, { ...refusal, id: message.id, channel: wanted.channel }, context.stats);
    else if (typeof channel !== 'string' && channel.kind === 'candles') {
      const snapshot = wanted.snapshot ?? message.snapshot ?? 0;
      requests.push({ channel, id: message.id, snapshot, position: wanted.position ?? null });
    }
  }
  return requests;
}

function refuse(
  connection: Connection,
  { atOnce, device }: Wanted,
  channel: Channel,
  requests: readonly ChannelRequest[],
  context: Context,
): Refusal | null {
  if (channel.kind !== 'candles') return { code: 'bad_channel', message: 'only channels of candles can be replayed' };
  if (atOnce !== undefined || device !== undefined)
    return { code: 'invalid_message', message: 'atOnce and device have no meaning in a replay: leave them out' };
  const plan = planOf(connection, context);
  const held = { channels: connection.channels + requests.length };
  const refusal =
    refusalOf(connection.login?.identity ?? null, plan, channel) ??
    channelsRefusal(held, plan, context.limits.channelsPerConnection);
  if (refusal !== null) return refusal;
  const topic = context.hub.peek(channel, connection);
  const isTaken =
    (topic !== null && connection.has(topic)) ||
    connection.replayOf(channel.name) !== null ||
    requests.some((request) => request.channel.name === channel.name);
  return isTaken ? { code: 'already_subscribed', message: 'the connection has this channel already' } : null;
}

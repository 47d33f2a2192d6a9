import { parseChannel } from '../../market/channel.js';
import type { ClientMessage } from '../../wire/messages.js';
import type { Connection, Job } from '../connection.js';
import { type Context, type ErrorDetails, replyError } from '../context.js';
import { boundOf, channelsRefusal, planOf, refusalOf } from '../entitled.js';
import { runJobs } from '../jobs.js';
import { DEFAULT_DEVICE } from '../login.js';
import { replay } from './replay.js';

type Subscribe = Extract<ClientMessage, { op: 'subscribe' }>;
type Item = Exclude<Subscribe['channels'][number], string>;

/** One reply a channel, in the order asked for: `subscribed` or an error; errors found at once come before all. */
export function subscribe(connection: Connection, message: Subscribe, context: Context): void {
  if (message.replay !== undefined) {
    replay(connection, message, context);
    return;
  }
  for (const item of message.channels) {
    const wanted = typeof item === 'string' ? { channel: item } : item;
    const job = check(connection, wanted, message, context);
    if ('code' in job) replyError(connection, { ...job, id: message.id, channel: wanted.channel }, context.stats);
    else connection.addJobs([job]);
  }
  runJobs(connection, context);
}

function check(connection: Connection, item: Item, message: Subscribe, context: Context): Job | ErrorDetails {
  const channel = parseChannel(item.channel);
  if (typeof channel === 'string') return { code: 'bad_channel', message: channel };
  const plan = planOf(connection, context);
  const refusal =
    refusalOf(connection.login?.identity ?? null, plan, channel) ??
    channelsRefusal(connection, plan, context.limits.channelsPerConnection);
  if (refusal !== null) return refusal;
  const topic = context.hub.topic(channel, connection);
  if (connection.has(topic) || connection.replayOf(item.channel) !== null)
    return { code: 'already_subscribed', message: 'the connection has this channel already' };
  topic.source.retain();
  const snapshot = item.snapshot ?? message.snapshot ?? null;
  const { atOnce = false, position = null } = item;
  if (channel.kind === 'signals' && connection.login !== null) connection.login.device = item.device ?? DEFAULT_DEVICE;
  const bound = boundOf(plan);
  return { topic, kind: 'subscribe', id: message.id, snapshot, atOnce, position, bound, at: -1, cancelled: false };
}

import { parseChannel } from '../../market/channel.js';
import type { ClientMessage } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { type Context, reply, replyError, withId } from '../context.js';
import { cancel, quit } from '../joining.js';

type Unsubscribe = Extract<ClientMessage, { op: 'unsubscribe' }>;

/** One reply a channel; after `unsubscribed` nothing of the channel comes any more. */
export function unsubscribe(connection: Connection, message: Unsubscribe, context: Context): void {
  for (const name of message.channels) unsubscribeOne(connection, name, message.id, context);
}

function unsubscribeOne(connection: Connection, name: string, id: Unsubscribe['id'], context: Context): void {
  const channel = parseChannel(name);
  if (typeof channel === 'string') {
    replyError(connection, { id, channel: name, code: 'bad_channel', message: channel }, context.stats);
    return;
  }
  const replayed = connection.replayOf(name);
  if (replayed !== null) {
    replayed.replay.drop(replayed.channel);
    reply(connection, { type: 'unsubscribed', ...withId(id), channel: name });
    return;
  }
  const topic = context.hub.peek(channel, connection);
  if (topic === null || !connection.has(topic)) {
    const text = 'the connection does not have this channel';
    replyError(connection, { id, channel: name, code: 'not_subscribed', message: text }, context.stats);
    return;
  }
  // The reply first: sending it hands over what was published to the topic in this turn.
  reply(connection, { type: 'unsubscribed', ...withId(id), channel: name });
  const job = connection.jobs.find((candidate) => candidate.topic === topic);
  if (job) cancel(connection, job);
  else quit(connection, topic, context);
}

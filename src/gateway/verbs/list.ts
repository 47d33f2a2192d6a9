import type { ClientMessage } from '../../wire/messages.js';
import { type Connection, isSubscribed } from '../connection.js';
import { reply, withId } from '../context.js';

type List = Extract<ClientMessage, { op: 'list' }>;

/** The channels whose `subscribed` was sent, by name. */
export function list(connection: Connection, message: List): void {
  const underWay = connection.jobs.filter(isSubscribed).map((job) => job.topic);
  const channels = [...connection.live, ...underWay].map((topic) => topic.channel).sort();
  reply(connection, { type: 'channels', ...withId(message.id), channels });
}

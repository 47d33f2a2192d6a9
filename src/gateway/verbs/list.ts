import type { ClientMessage } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { reply, withId } from '../context.js';

type List = Extract<ClientMessage, { op: 'list' }>;

/** The channels whose `subscribed` was sent, by name. */
export function list(connection: Connection, message: List): void {
  const resyncing = connection.jobs.filter((job) => job.kind === 'resync').map((job) => job.topic);
  const channels = [...connection.live, ...resyncing].map((topic) => topic.channel).sort();
  reply(connection, { type: 'channels', ...withId(message.id), channels });
}

import type { ClientMessage } from '../../wire/messages.js';
import { type Connection, isSubscribed } from '../connection.js';
import { reply, withId } from '../context.js';

type List = Extract<ClientMessage, { op: 'list' }>;

/** The channels whose `subscribed` was sent, by name. */
export function list(connection: Connection, message: List): void {
  const underWay = connection.jobs.filter(isSubscribed).map((job) => job.topic);
  const replayed = connection.replays.flatMap(({ channels }) => channels.filter(({ subscribed }) => subscribed));
  const names = [
    ...[...connection.live, ...underWay].map(({ channel }) => channel),
    ...replayed.map(({ name }) => name),
  ];
  const channels = names.sort();
  reply(connection, { type: 'channels', ...withId(message.id), channels });
}

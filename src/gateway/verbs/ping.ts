import type { ClientMessage } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { type Context, reply, withId } from '../context.js';

type Ping = Extract<ClientMessage, { op: 'ping' }>;

export function ping(connection: Connection, message: Ping, context: Context): void {
  reply(connection, { type: 'pong', ...withId(message.id), time: context.clock.now() });
}

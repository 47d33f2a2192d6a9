import type { Connection } from './connection.js';
import type { Context } from './context.js';

/** Nothing large may be sent to it now. */
export function mustWait(connection: Connection, { limits }: Context): boolean {
  return connection.closing || connection.lagging || (connection.socket?.bufferedBytes() ?? 0) > limits.replyBytes;
}

/** Until something about the connection has changed. Its jobs wait one at a time. */
export function stirred(connection: Connection): Promise<void> {
  return new Promise((resolve) => {
    connection.wake = resolve;
  });
}

import { CLOSE } from '../wire/codes.js';
import type { Connection } from './connection.js';
import { type Context, end, reply } from './context.js';

/** Warns before the token of a connection expires, and closes it when it has not been refreshed by then. */
export function lookAtExpiry(connection: Connection, { clock, limits, stats }: Context): void {
  const { login } = connection;
  const expiresAt = login?.identity.expiresAt ?? null;
  if (login === null || expiresAt === null || connection.closing) return;
  const leftMs = expiresAt - clock.now();
  if (leftMs <= 0) {
    // A fresh token that is being verified came in time.
    if (connection.waiting === null) end(connection, CLOSE.tokenExpired, stats);
  } else if (leftMs <= limits.expiryWarningMs && !login.warned) {
    login.warned = true;
    reply(connection, { type: 'auth_expiring', expiresAt });
  }
}

import { CLOSE, type ErrorCode } from '../../wire/codes.js';
import type { AuthFailure, Identity } from '../../wire/identity.js';
import type { MessageId } from '../../wire/messages.js';
import type { Connection } from '../connection.js';
import { type Context, type ErrorDetails, end, replyError } from '../context.js';
import { dropExcess } from '../entitled.js';
import { messageOf } from '../rechecks.js';
import { renew, sendIdentity } from '../settle.js';

const FAILURES: Readonly<Record<AuthFailure, { code: ErrorCode; message: string }>> = {
  invalid_token: { code: 'invalid_token', message: 'the token is none of this server, or was altered' },
  token_expired: { code: 'token_expired', message: 'the token has expired: refresh it' },
  revoked: { code: 'token_revoked', message: 'the session has ended, or the key was revoked: log in again' },
};

/** Makes the connection that of the token's user, or gives it a fresh token of the same user. Never rejects. */
export async function auth(
  connection: Connection,
  token: string,
  id: MessageId | undefined,
  context: Context,
): Promise<void> {
  try {
    const { changes } = context.users;
    const result = await context.users.verify(token);
    if (connection.socket === null || connection.closing) return;
    if ('failure' in result) failed(connection, result.failure, id, context);
    else await begin(connection, result, id, changes, context);
  } catch (error) {
    const words = messageOf(error).replaceAll(token, '(token)');
    context.log.warn({ error: words }, 'a token cannot be verified now');
    refuse(connection, { id, code: 'unavailable', message: 'tokens cannot be verified now: try again later' }, context);
  }
}

/** A connection is not a place to try tokens. */
function failed(connection: Connection, failure: AuthFailure, id: MessageId | undefined, context: Context): void {
  connection.authFailures++;
  context.stats.authFailures++;
  refuse(connection, { id, ...FAILURES[failure] }, context);
  if (connection.authFailures >= context.limits.authFailures) end(connection, CLOSE.sessionEnded, context.stats);
}

async function begin(
  connection: Connection,
  identity: Identity,
  id: MessageId | undefined,
  changes: number,
  context: Context,
): Promise<void> {
  const { users } = context;
  if (connection.login !== null && connection.login.identity.userId !== identity.userId) {
    refuse(connection, { id, code: 'other_user', message: 'the connection belongs to another user' }, context);
    return;
  }
  connection.authFailures = 0;
  if (connection.login !== null) {
    renew(connection, identity, id, context);
    users.lookAgain(connection, changes);
    return;
  }
  const { plan, connections: most } = identity.entitlements;
  const taken = await users.take(connection, identity, changes);
  if (taken === 'taken') {
    sendIdentity(connection, id);
    dropExcess(connection, context);
  } else if (taken === 'over') {
    const message = `the plan ${plan} gives ${most} connections at a time, and all are in use`;
    refuse(connection, { id, code: 'plan_limit', plan, limit: 'connections', message }, context);
  }
}

function refuse(connection: Connection, details: ErrorDetails, context: Context): void {
  replyError(connection, details, context.stats);
}

import { CLOSE } from '../wire/codes.js';
import type { AuthResult, Identity } from '../wire/identity.js';
import type { MessageId } from '../wire/messages.js';
import type { Connection } from './connection.js';
import { type Context, end, reply, withId } from './context.js';
import { dropExcess } from './entitled.js';
import { lookAtExpiry } from './expiry.js';

/** What a login is after it was looked at again: over, or the same with other rights. Its token expires when it did. */
export function settle(connection: Connection, result: AuthResult, context: Context): void {
  const { login } = connection;
  if (login === null || connection.closing) return;
  if ('failure' in result) {
    if (result.failure === 'token_expired') lookAtExpiry(connection, context);
    else end(connection, CLOSE.sessionEnded, context.stats);
    return;
  }
  const before = login.identity;
  login.identity = { ...result, expiresAt: before.expiresAt };
  const isSame = result.role === before.role && result.entitlements.plan === before.entitlements.plan;
  if (!isSame) sendIdentity(connection, undefined);
  follow(connection, before, context);
}

/** A fresh token of the same user. */
export function renew(connection: Connection, identity: Identity, id: MessageId | undefined, context: Context): void {
  const { login } = connection;
  if (login === null) return;
  const before = login.identity;
  login.identity = identity;
  login.warned = false;
  sendIdentity(connection, id);
  follow(connection, before, context);
}

export function sendIdentity(connection: Connection, id: MessageId | undefined): void {
  const identity = connection.login?.identity;
  if (identity === undefined) return;
  const { userId, role, expiresAt, entitlements } = identity;
  const { plan } = entitlements;
  reply(connection, { type: 'authenticated', ...withId(id), userId, role, plan, expiresAt });
}

/** What is over the rights that it has now goes. */
function follow(connection: Connection, before: Identity, context: Context): void {
  dropExcess(connection, context);
  const most = connection.login?.identity.entitlements.connections ?? 0;
  if (most < before.entitlements.connections) void countAgain(connection, context);
}

/** Each connection asks for its place anew: of those over the limit, whoever comes too late is closed. */
async function countAgain(connection: Connection, context: Context): Promise<void> {
  if (!(await context.users.takeAgain(connection))) end(connection, CLOSE.planLimit, context.stats);
}

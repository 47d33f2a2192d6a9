import { createUser as create } from '../../accounts/create-user.js';
import { checkPassword, Passwords } from '../../accounts/passwords.js';
import { NO_PASSWORD } from '../../accounts/users.js';
import { UserError } from '../../kit/errors.js';
import type { UserRole } from '../../wire/identity.js';
import { withAccounts } from './accounts.js';
import { type AnswerOptions, answer, table, utcText } from './answer.js';
import { askPassword, requireYes } from './ask.js';
import { readCount, readOneOf } from './read.js';
import type { Ground } from './run.js';

const ROLES: readonly UserRole[] = ['user', 'publisher', 'admin'];
const MAX_LISTED = 10_000;

/** `candlecast user create` */
export async function createUser(
  ground: Ground,
  email: string,
  options: AnswerOptions & { readonly role: string; readonly password: boolean },
): Promise<undefined> {
  const role = readOneOf('--role', options.role, ROLES);
  const password = options.password ? await askPassword() : null;
  return withAccounts(ground, async ({ sql }) => {
    const user = await create(sql, ground.clock, { email, role, password });
    answer(options, user, () => `${user.email} is ${user.role}, id ${user.id}`);
  });
}

/** `candlecast user list` */
export async function listUsers(
  ground: Ground,
  options: AnswerOptions & { readonly search?: string; readonly limit: string },
): Promise<undefined> {
  const limit = readCount('--limit', options.limit, MAX_LISTED);
  return withAccounts(ground, async ({ users }) => {
    const list = await users.list(null, limit + 1, options.search ?? null);
    const shown = list.slice(0, limit);
    answer(options, { users: shown, more: list.length > limit }, ({ more }) => {
      const rows = shown.map(({ email, role, createdAt, id }) => [email, role, utcText(createdAt), id]);
      return `${table(['email', 'role', 'created (UTC)', 'id'], rows)}${more ? '\nThere are more: --limit shows them.' : ''}`;
    });
  });
}

/** `candlecast user show` */
export async function showUser(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  return withAccounts(ground, async ({ find, keys, sessions }) => {
    const user = await find(who);
    const details = { ...user, keys: await keys.list(user.id), sessions: await sessions.list(user.id) };
    answer(options, details, ({ email, role, createdAt, id, entitlements, subscriptions }) =>
      [
        `${email}  ${role}  id ${id}`,
        `created ${utcText(createdAt)} UTC`,
        `plan ${entitlements.plan}: ${entitlements.connections} connections, ${entitlements.channels} channels each, ${entitlements.rules} rules`,
        ...subscriptions.map((s) => `subscription ${s.plan}: ${s.startDate} to ${s.endDate ?? '…'}, ${s.status}`),
        `${details.keys.length} API keys, ${details.sessions.length} sessions`,
      ].join('\n'),
    );
  });
}

/** `candlecast user role` */
export async function setRole(ground: Ground, who: string, role: string, options: AnswerOptions): Promise<undefined> {
  const to = readOneOf('the role', role, ROLES);
  return withAccounts(ground, async ({ find, administration, actor }) => {
    const { id, email } = await find(who);
    await administration.setRole(actor, id, to);
    answer(options, { id, email, role: to }, () => `${email} is ${to} now`);
  });
}

/** `candlecast user password`: every session of the user ends. */
export async function setPassword(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  const password = await askPassword();
  return withAccounts(ground, async ({ find, users, announce }) => {
    const { id, email } = await find(who);
    checkPassword(password, email);
    const { passwordHash } = (await users.credentials({ id })) ?? { passwordHash: NO_PASSWORD };
    const done = await users.setPassword(id, passwordHash, await new Passwords().hash(password), null);
    if (!done) throw new UserError('the password was changed by somebody else at this moment: look, and try again');
    announce({ userId: id, sessionId: null, keyId: null });
    answer(options, { id, email }, () => `${email} has a new password; all sessions have ended`);
  });
}

/** `candlecast user delete` */
export async function deleteUser(
  ground: Ground,
  who: string,
  options: AnswerOptions & { readonly yes?: boolean },
): Promise<undefined> {
  return withAccounts(ground, async ({ find, administration, actor }) => {
    const { id, email } = await find(who);
    await requireYes(options.yes, `Delete ${email} with all sessions, keys, signals, rules and subscriptions?`);
    await administration.delete(actor, id);
    answer(options, { id, email, deleted: true }, () => `${email} is deleted`);
  });
}

/** `candlecast user sessions` */
export async function listSessions(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  return withAccounts(ground, async ({ find, sessions }) => {
    const list = await sessions.list((await find(who)).id);
    answer(options, { sessions: list }, () => {
      const rows = list.map((s) => [
        s.id,
        s.device,
        utcText(s.createdAt),
        utcText(s.refreshedAt),
        utcText(s.expiresAt),
      ]);
      return table(['id', 'device', 'created (UTC)', 'refreshed', 'expires'], rows);
    });
  });
}

/** `candlecast user logout` */
export async function logOut(
  ground: Ground,
  who: string,
  sessionId: string | undefined,
  options: AnswerOptions,
): Promise<undefined> {
  return withAccounts(ground, async ({ find, sessions, announce }) => {
    const { id, email } = await find(who);
    const alive = (await sessions.list(id)).filter((s) => sessionId === undefined || s.id === sessionId);
    if (sessionId !== undefined && alive.length === 0)
      throw new UserError(`${email} has no session "${sessionId}": "candlecast user sessions ${email}" shows them`);
    for (const session of alive) await sessions.end(id, session.id);
    announce({ userId: id, sessionId: sessionId ?? null, keyId: null });
    answer(options, { id, email, ended: alive.length }, () => `${alive.length} sessions of ${email} have ended`);
  });
}

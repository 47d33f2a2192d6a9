import { AccessTokens } from '../../accounts/tokens.js';
import { UserError } from '../../kit/errors.js';
import { SCOPES, type Scope } from '../../wire/identity.js';
import { ownProvider } from '../users.js';
import { withAccounts } from './accounts.js';
import { type AnswerOptions, answer, table, utcText } from './answer.js';
import { readOneOf } from './read.js';
import type { Ground } from './run.js';

const MAX_NAME = 100;

/** `candlecast token create`: the key alone on standard output, so that a script can take it. */
export async function createToken(
  ground: Ground,
  who: string,
  options: AnswerOptions & { readonly name: string; readonly scopes: string },
): Promise<undefined> {
  const scopes = readScopes(options.scopes);
  const name = options.name.trim();
  if (name === '' || name.length > MAX_NAME) throw new UserError(`--name must have 1 to ${MAX_NAME} characters`);
  return withAccounts(ground, async ({ find, keys }) => {
    const { id, email, role } = await find(who);
    const { key, entry } = await keys.create(id, role, { name, scopes });
    process.stderr.write(`API key of ${email} for ${scopes.join(', ')}; it is shown this once:\n`);
    answer(options, { key, ...entry }, () => key);
  });
}

/** `candlecast token access`: what a login gives, for a quarter of an hour. */
export async function accessToken(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  const { redisUrl, jwtSecret, identityProvider } = ground.config;
  if (redisUrl !== null && jwtSecret === null && identityProvider === null)
    throw new UserError('JWT_SECRET is missing: give the one that the nodes have');
  const provider = await ownProvider(ground);
  if (!('keys' in provider))
    throw new UserError('JWKS_URL is set: access tokens come from the identity provider; an API key works as well');
  return withAccounts(ground, async ({ find, users, sessions }) => {
    const { id, email, role } = await find(who);
    const credentials = await users.credentials({ id });
    if (credentials === null) throw new UserError(`there is no account "${who}"`);
    const session = await sessions.create(credentials, { device: 'command line', deviceHash: null });
    const { token, expiresAt } = await new AccessTokens(provider.keys, ground.clock).issue(id, session.id, role);
    process.stderr.write(`Access token of ${email} until ${utcText(expiresAt)} UTC:\n`);
    answer(options, { token, expiresAt, sessionId: session.id }, () => token);
  });
}

/** `candlecast token list` */
export async function listTokens(ground: Ground, who: string, options: AnswerOptions): Promise<undefined> {
  return withAccounts(ground, async ({ find, keys }) => {
    const list = await keys.list((await find(who)).id);
    answer(options, { keys: list }, () => {
      const used = (at: number | null): string | null => (at === null ? null : utcText(at));
      const rows = list.map((k) => [k.id, k.name, k.scopes.join(','), utcText(k.createdAt), used(k.lastUsedAt)]);
      return table(['id', 'name', 'scopes', 'created (UTC)', 'last used'], rows);
    });
  });
}

/** `candlecast token revoke` */
export async function revokeToken(
  ground: Ground,
  who: string,
  keyId: string,
  options: AnswerOptions,
): Promise<undefined> {
  return withAccounts(ground, async ({ find, keys, announce }) => {
    const { id, email } = await find(who);
    const known = (await keys.list(id)).some((key) => key.id === keyId);
    if (!known || !(await keys.revoke(id, keyId)))
      throw new UserError(`${email} has no API key "${keyId}": "candlecast token list ${email}" shows them`);
    announce({ userId: id, sessionId: null, keyId });
    answer(options, { id: keyId, revoked: true }, () => `The key ${keyId} of ${email} is revoked`);
  });
}

function readScopes(text: string): Scope[] {
  return text.split(',').map((scope) => readOneOf('--scopes', scope.trim(), SCOPES));
}

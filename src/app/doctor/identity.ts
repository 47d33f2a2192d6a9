import { parsePlans } from '../../accounts/plans.js';
import { parseTokenKeys } from '../../accounts/token-keys.js';
import { type Check, error, type Finding, ok, reasonOf, warning } from './finding.js';

const ASK_MS = 3000;
/** Random text of 32 characters has more. */
const DISTINCT_MIN = 10;
const GENERATE = 'openssl rand -base64 48';

export interface IdentitySettings {
  readonly jwtSecret: string | null;
  readonly identityProvider: { readonly jwksUrl: string } | null;
  readonly plans: string | null;
  /** Several nodes, of which this one serves clients. */
  readonly isGatewayOfMany: boolean;
}

export function identityChecks(settings: IdentitySettings): Check[] {
  return [
    { name: 'accounts', run: async () => [await tokens(settings)] },
    { name: 'plans', run: async () => [plans(settings.plans)] },
  ];
}

async function tokens({ jwtSecret, identityProvider, isGatewayOfMany }: IdentitySettings): Promise<Finding> {
  if (identityProvider !== null) return provider(identityProvider.jwksUrl);
  if (jwtSecret !== null) return secret(jwtSecret);
  if (isGatewayOfMany)
    return warning(
      'JWT_SECRET is not set: this node has no accounts',
      `JWT_SECRET=$(${GENERATE}), the same on all nodes`,
    );
  return ok('the secret of access tokens is made in DATA_DIR');
}

/** Never repeats any of it. */
export function secret(text: string): Finding {
  try {
    parseTokenKeys(text);
  } catch (failure) {
    return error(reasonOf(failure), `JWT_SECRET=$(${GENERATE})`);
  }
  const weak = new Set(text).size < DISTINCT_MIN || /password|secret|changeme|example|0123456789/i.test(text);
  if (!weak) return ok('JWT_SECRET is long enough');
  return warning('JWT_SECRET looks guessable: whoever guesses it is everybody', `JWT_SECRET=$(${GENERATE})`);
}

async function provider(url: string): Promise<Finding> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(ASK_MS) });
    const { keys } = (await answer.json()) as { keys?: unknown };
    if (answer.ok && Array.isArray(keys) && keys.length > 0) return ok(`JWKS_URL has ${keys.length} keys`);
    return error(
      `JWKS_URL answered ${answer.status} and no keys`,
      'correct it: it ends with jwks.json at most providers',
    );
  } catch (failure) {
    const cause = failure instanceof Error && failure.cause !== undefined ? failure.cause : failure;
    return error(`JWKS_URL cannot be read: ${reasonOf(cause)}`, `curl ${url}`);
  }
}

function plans(text: string | null): Finding {
  try {
    const { all } = parsePlans(text);
    return ok(`plans: ${all.map(({ plan }) => plan).join(', ')}`);
  } catch (failure) {
    return error(reasonOf(failure), 'docs/accounts.md has an example');
  }
}

import type { Clock } from '../kit/clock.js';
import type { AuthFailure, AuthResult } from '../wire/identity.js';
import { API_KEY_PREFIX, type ApiKeys } from './api-keys.js';
import type { AccountChanges } from './changes.js';
import type { Claimed, Identities } from './identities.js';
import { hashSecret } from './secrets.js';
import { TokenCache } from './token-cache.js';
import type { TokenReader } from './tokens.js';

export interface AuthenticatorOptions {
  readonly tokens: TokenReader;
  readonly keys: ApiKeys;
  readonly identities: Identities;
  readonly changes: AccountChanges;
  readonly clock: Clock;
  /** How long an identity is believed without a look at the database. Default 10 s. */
  readonly cacheMs?: number;
}

export interface AuthStats {
  readonly accepted: number;
  readonly cached: number;
  readonly refused: Readonly<Record<AuthFailure, number>>;
}

/** Ours have about 450; providers' may hold many claims. */
const TOKEN_MAX = 4096;
/** Everything that is a JWT or one of our keys; nothing else is looked at. */
const TOKEN = /^[A-Za-z0-9_.-]+$/;
const DEFAULT_CACHE_MS = 10_000;
const CACHE_MAX = 20_000;
/** Times that an identity is read again since something changed while it was read. */
const RELOADS = 3;

/** Who somebody is by the token they bring. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #cache = new TokenCache(CACHE_MAX);
  readonly #refused: Record<AuthFailure, number> = { invalid_token: 0, token_expired: 0, revoked: 0 };
  #changed = 0;
  #accepted = 0;
  #cached = 0;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    options.changes.onChange(({ userId }) => {
      this.#changed++;
      this.#cache.forget(userId);
    });
  }

  /** An access token or an API key. Rejects when the database, or the identity provider, cannot be asked. */
  async authenticate(token: string): Promise<AuthResult> {
    const result = await this.#look(token);
    if ('failure' in result) this.#refused[result.failure]++;
    else {
      this.#accepted++;
      if (result.keyId !== null) this.#options.keys.touch(result.keyId);
    }
    return result;
  }

  /** Looks again at identities that were accepted earlier: what they are now, in their order. */
  async identitiesOf(claimed: readonly Claimed[]): Promise<AuthResult[]> {
    const results = await this.#options.identities.load(claimed);
    // A look may find an end that this node has not been told of: the token must end with the connection.
    for (const [index, result] of results.entries()) {
      const userId = claimed[index]?.userId;
      if ('failure' in result && userId !== undefined) this.#cache.forget(userId);
    }
    return results;
  }

  stats(): AuthStats {
    return { accepted: this.#accepted, cached: this.#cached, refused: { ...this.#refused } };
  }

  async #look(token: string): Promise<AuthResult> {
    if (token.length > TOKEN_MAX || !TOKEN.test(token)) return { failure: 'invalid_token' };
    const now = this.#options.clock.now();
    const hash = hashSecret(token).toString('base64');
    const cached = this.#cache.get(hash, now);
    if (cached !== null) {
      if (cached.expiresAt !== null && cached.expiresAt <= now) return { failure: 'token_expired' };
      this.#cached++;
      return cached;
    }
    const claimed = await this.#claim(token);
    return 'failure' in claimed ? claimed : this.#load(hash, claimed);
  }

  async #claim(token: string): Promise<Claimed | { failure: AuthFailure }> {
    if (token.startsWith(API_KEY_PREFIX)) {
      const owner = await this.#options.keys.verify(token);
      return 'failure' in owner ? owner : { ...owner, sessionId: null, expiresAt: null };
    }
    const claims = await this.#options.tokens.verify(token);
    return 'failure' in claims ? claims : { ...claims, keyId: null };
  }

  /** What was read before a change is neither answered nor kept. */
  async #load(hash: string, claimed: Claimed): Promise<AuthResult> {
    const { clock, cacheMs = DEFAULT_CACHE_MS } = this.#options;
    for (let attempt = 0; ; attempt++) {
      const before = this.#changed;
      const [result = { failure: 'revoked' } as const] = await this.identitiesOf([claimed]);
      if (before === this.#changed) {
        if (!('failure' in result)) this.#cache.put(hash, result, clock.now() + cacheMs);
        return result;
      }
      if (attempt === RELOADS) return result;
    }
  }
}

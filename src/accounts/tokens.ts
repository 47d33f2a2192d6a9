import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { v7 } from 'uuid';
import { assert } from '../kit/assert.js';
import type { Clock } from '../kit/clock.js';
import type { AuthFailure, UserRole } from '../wire/identity.js';
import { isUuid } from './sql.js';
import type { TokenKey } from './token-keys.js';

export const ACCESS_TOKEN_MS = 15 * 60_000;
export const TOKEN_ISSUER = 'candlecast';
export const TOKEN_AUDIENCE = 'candlecast';
export const TOKEN_TYPE = 'at+jwt';
const ALGORITHM = 'HS256';
/** Of the clocks of the nodes. */
const SKEW_MS = 60_000;
const REQUIRED = ['exp', 'iat', 'sub', 'jti', 'sid', 'role'];

/** What a token says that was accepted. */
export interface Claims {
  readonly userId: string;
  /** null: the token of another provider. */
  readonly sessionId: string | null;
  /** Epoch ms. */
  readonly expiresAt: number;
}

export interface AccessToken {
  readonly token: string;
  readonly expiresAt: number;
}

export type Verified = Claims | { readonly failure: AuthFailure };

/** Reads tokens of whichever provider there is. Rejects when it cannot tell now. */
export interface TokenReader {
  verify(token: string): Promise<Verified>;
}

/** Our own access tokens: JWTs for 15 minutes, HS256, of one type, issuer and audience. */
export class AccessTokens implements TokenReader {
  readonly #keys: ReadonlyMap<string, TokenKey>;
  readonly #signing: TokenKey;

  /** @param keys the first signs, all verify */
  constructor(
    keys: readonly TokenKey[],
    private readonly clock: Clock,
  ) {
    const [first] = keys;
    assert(first !== undefined, 'there is a key to sign with');
    this.#signing = first;
    this.#keys = new Map(keys.map((key) => [key.kid, key]));
  }

  async issue(userId: string, sessionId: string, role: UserRole): Promise<AccessToken> {
    const issuedAt = Math.floor(this.clock.now() / 1000);
    const expiresAt = issuedAt + ACCESS_TOKEN_MS / 1000;
    const token = await new SignJWT({ sid: sessionId, role })
      .setProtectedHeader({ alg: ALGORITHM, typ: TOKEN_TYPE, kid: this.#signing.kid })
      .setIssuer(TOKEN_ISSUER)
      .setAudience(TOKEN_AUDIENCE)
      .setSubject(userId)
      .setJti(v7({ msecs: this.clock.now() }))
      .setIssuedAt(issuedAt)
      .setExpirationTime(expiresAt)
      .sign(this.#signing.key);
    return { token, expiresAt: expiresAt * 1000 };
  }

  async verify(token: string): Promise<Verified> {
    const now = this.clock.now();
    try {
      const { payload } = await jwtVerify(token, (header) => this.#keyOf(header), {
        algorithms: [ALGORITHM],
        issuer: TOKEN_ISSUER,
        audience: TOKEN_AUDIENCE,
        typ: TOKEN_TYPE,
        requiredClaims: REQUIRED,
        currentDate: new Date(now),
      });
      return toClaims(payload, now);
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }

  #keyOf({ kid }: JWTHeaderParameters | { kid?: string }): TokenKey['key'] {
    const key = this.#keys.get(kid ?? '');
    if (key === undefined) throw new errors.JWKSNoMatchingKey();
    return key.key;
  }
}

/** @throws what is not about the token */
export function failureOf(error: unknown): AuthFailure {
  if (error instanceof errors.JWTExpired) return 'token_expired';
  if (error instanceof errors.JOSEError || error instanceof TypeError) return 'invalid_token';
  throw error;
}

/** The role in the token is for those who read it: ours comes from the database. */
function toClaims(payload: Readonly<Record<string, unknown>>, now: number): Verified {
  const { sub, sid, iat, exp, aud, jti } = payload;
  const wellFormed = isUuid(sub) && isUuid(sid) && isUuid(jti) && aud === TOKEN_AUDIENCE;
  if (!wellFormed || typeof iat !== 'number' || typeof exp !== 'number') return { failure: 'invalid_token' };
  const timely = iat * 1000 <= now + SKEW_MS && exp > iat && (exp - iat) * 1000 <= ACCESS_TOKEN_MS;
  return timely ? { userId: sub, sessionId: sid, expiresAt: exp * 1000 } : { failure: 'invalid_token' };
}

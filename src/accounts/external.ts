import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';
import { v7 } from 'uuid';
import type { Clock } from '../kit/clock.js';
import { normalEmail } from './email.js';
import { type Sql, utc } from './sql.js';
import { failureOf, type TokenReader, type Verified } from './tokens.js';
import { NO_PASSWORD } from './users.js';

export interface ExternalProvider {
  /** Where its public keys are. */
  readonly jwksUrl: string;
  readonly issuer: string;
  readonly audience: string;
}

const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'];
/** What providers call an access token; one without a type is taken too. Types of other purposes are not. */
const TYPES: ReadonlySet<unknown> = new Set([undefined, 'jwt', 'at+jwt', 'application/at+jwt']);
const SKEW_MS = 60_000;
const FETCH_TIMEOUT_MS = 3000;
/** Unknown key ids make us ask for new keys this often at most. */
const COOLDOWN_MS = 30_000;
const SUBJECT = /^[\x20-\x7e\u00a0-\uffff]{1,255}$/;

/** The provider's keys cannot be had at present. */
export class ProviderUnavailable extends Error {
  override readonly name = 'ProviderUnavailable';
}

/** Access tokens of an identity provider: its subjects become users when they are first seen. */
export class ExternalTokens implements TokenReader {
  readonly #keys: ReturnType<typeof createRemoteJWKSet>;

  constructor(
    private readonly provider: ExternalProvider,
    private readonly sql: Sql,
    private readonly clock: Clock,
  ) {
    const options = { timeoutDuration: FETCH_TIMEOUT_MS, cooldownDuration: COOLDOWN_MS };
    this.#keys = createRemoteJWKSet(new URL(provider.jwksUrl), options);
  }

  async verify(token: string): Promise<Verified> {
    const payload = await this.#read(token);
    if (payload === null) return { failure: 'invalid_token' };
    if ('failure' in payload) return { failure: 'token_expired' };
    const { sub, exp, iat } = payload;
    if (!isSubject(sub) || exp === undefined || iat === undefined) return { failure: 'invalid_token' };
    if (iat * 1000 > this.clock.now() + SKEW_MS) return { failure: 'invalid_token' };
    const userId = await this.#userOf(sub, payload);
    return { userId, sessionId: null, expiresAt: exp * 1000 };
  }

  async #read(token: string): Promise<JWTPayload | { failure: 'token_expired' } | null> {
    const { issuer, audience } = this.provider;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, this.#keys, {
        algorithms: ALGORITHMS,
        issuer,
        audience,
        requiredClaims: ['exp', 'iat', 'sub'],
        currentDate: new Date(this.clock.now()),
      });
      return TYPES.has(protectedHeader.typ?.toLowerCase()) ? payload : null;
    } catch (error) {
      if (isAway(error))
        throw new ProviderUnavailable('the keys of the identity provider cannot be had', { cause: error });
      return failureOf(error) === 'token_expired' ? { failure: 'token_expired' } : null;
    }
  }

  async #userOf(subject: string, claims: JWTPayload): Promise<string> {
    const found = await this.#find(subject);
    if (found !== null) return found;
    const email = verifiedEmail(claims);
    if (email !== null && (await this.#adopt(subject, email))) return this.#created(subject);
    const id = v7({ msecs: this.clock.now() });
    const hasEmail = email !== null && (await this.#insert(id, subject, email));
    if (!hasEmail) await this.#insert(id, subject, `${id}@users.invalid`);
    return this.#created(subject);
  }

  /** An account that the operator made without a password waits for the person who has its address. */
  async #adopt(subject: string, email: string): Promise<boolean> {
    const { rowCount } = await this.sql.query(
      `UPDATE users SET issuer = $1::text, subject = $2::text WHERE lower(email) = $3 AND password_hash = $4 AND issuer IS NULL
         AND NOT EXISTS (SELECT FROM users WHERE issuer = $1::text AND subject = $2::text)`,
      [this.provider.issuer, subject, email, NO_PASSWORD],
    );
    return rowCount === 1;
  }

  async #insert(id: string, subject: string, email: string): Promise<boolean> {
    const { rowCount } = await this.sql.query(
      `INSERT INTO users (id, email, password_hash, issuer, subject, created_at, updated_at)
       SELECT $1, $2::text, $3, $4, $5, $6::timestamp, $6::timestamp
       WHERE NOT EXISTS (SELECT FROM users WHERE lower(email) = $2::text)
       ON CONFLICT DO NOTHING`,
      [id, email, NO_PASSWORD, this.provider.issuer, subject, utc(this.clock.now())],
    );
    return rowCount === 1;
  }

  async #find(subject: string): Promise<string | null> {
    const { rows } = await this.sql.query<{ id: string }>('SELECT id FROM users WHERE issuer = $1 AND subject = $2', [
      this.provider.issuer,
      subject,
    ]);
    return rows[0]?.id ?? null;
  }

  /** By us, or by another connection of the same person in the same moment. */
  async #created(subject: string): Promise<string> {
    const id = await this.#find(subject);
    if (id === null) throw new Error('a user of the identity provider was deleted while it was made');
    return id;
  }
}

/** jose throws TypeError for a fetch that failed, and its base class for an answer that is not 200. */
function isAway(error: unknown): boolean {
  if (error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid) return true;
  if (error instanceof TypeError) return error.message.includes('fetch');
  return error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC';
}

function isSubject(sub: unknown): sub is string {
  return typeof sub === 'string' && SUBJECT.test(sub);
}

/** An address that the provider has not verified may be anybody's. */
function verifiedEmail({ email, email_verified: verified }: JWTPayload): string | null {
  if (verified !== true || typeof email !== 'string') return null;
  return normalEmail(email);
}

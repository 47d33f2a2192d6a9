import type { Clock } from '../kit/clock.js';
import type { Log } from '../kit/log.js';
import { noTracer, type Tracer } from '../kit/tracer.js';
import type { Identity } from '../wire/identity.js';
import type { AccountChanges } from './changes.js';
import { normalEmail } from './email.js';
import { AccountError } from './errors.js';
import type { LoginLimits } from './login-limits.js';
import { checkPassword, type Passwords } from './passwords.js';
import { hashSecret, newSecret } from './secrets.js';
import type { SessionRecords } from './session-records.js';
import type { Session, Sessions } from './sessions.js';
import type { AccessTokens } from './tokens.js';
import type { Credentials, User, Users } from './users.js';

export interface LoginsOptions {
  readonly users: Users;
  readonly sessions: Sessions;
  readonly passwords: Passwords;
  readonly tokens: AccessTokens;
  readonly limits: LoginLimits;
  readonly changes: AccountChanges;
  readonly records: SessionRecords;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether strangers may make accounts. */
  readonly registration: boolean;
  /** Default: none. */
  readonly tracer?: Tracer | undefined;
}

export interface Login {
  readonly email: string;
  readonly password: string;
  /** What the user calls the device. */
  readonly device: string | null;
  /** What an earlier login on this device gave. */
  readonly deviceToken: string | null;
  readonly address: string;
}

/** What a client gets once and keeps to itself. */
export interface Granted {
  readonly userId: string;
  readonly sessionId: string;
  readonly accessToken: string;
  /** Epoch ms. */
  readonly accessExpiresAt: number;
  readonly refreshToken: string;
  readonly refreshExpiresAt: number;
}

const WRONG = 'email or password is wrong';
const REFRESH_FAILURES = {
  invalid_token: 'this is no refresh token of this server',
  revoked: 'the session has ended: log in again',
  refresh_superseded: 'this token was used a moment ago: use the tokens of that answer',
} as const;

/** Registering, logging in and out, for accounts with passwords. */
export class Logins {
  constructor(private readonly o: LoginsOptions) {}

  /** The same for an address that has an account, of which nothing changes. @throws AccountError */
  async register({ email, password, address }: Pick<Login, 'email' | 'password' | 'address'>): Promise<void> {
    const { users, passwords, limits, registration, log } = this.o;
    if (!registration) throw new AccountError('registration_closed', 'accounts are made by the administrator');
    const normal = normalEmail(email);
    if (normal === null) throw new AccountError('bad_email', 'the email address is none, such as ada@example.com');
    checkPassword(password, normal);
    await limits.register(address);
    const passwordHash = await passwords.hash(password);
    const user = await users.create({ email: normal, role: 'user', passwordHash });
    if (user !== null) log.info({ userId: user.id }, 'account made');
  }

  /** @throws AccountError */
  login(login: Login): Promise<Granted & { readonly deviceToken: string }> {
    return (this.o.tracer ?? noTracer).span('login', {}, () => this.#login(login));
  }

  async #login(login: Login): Promise<Granted & { readonly deviceToken: string }> {
    const email = normalEmail(login.email) ?? login.email;
    const device = await this.#knownDevice(email, login);
    const user = await this.#verify({ email }, login.password, { account: email, address: login.address, device });
    const deviceToken = device === null || login.deviceToken === null ? `ccd_${newSecret()}` : login.deviceToken;
    const name = { device: login.device, deviceHash: hashSecret(deviceToken) };
    const session = await this.o.sessions.create(user, name);
    this.o.log.info({ userId: user.userId, sessionId: session.id }, 'logged in');
    return { ...(await this.#grant(session)), deviceToken };
  }

  /** @throws AccountError */
  async refresh(refreshToken: string): Promise<Granted> {
    const rotation = await this.o.sessions.rotate(refreshToken);
    if ('session' in rotation) return this.#grant(rotation.session);
    const { failure, ended } = rotation;
    if (ended !== null) {
      this.o.log.warn({ ...ended }, 'a refresh token was used twice: the session is ended');
      this.#ended(ended.userId, ended.sessionId);
    }
    throw new AccountError(failure, REFRESH_FAILURES[failure]);
  }

  /** This session, or all of the user. */
  async logout({ userId, sessionId }: Pick<Identity, 'userId' | 'sessionId'>, all: boolean): Promise<void> {
    const { sessions } = this.o;
    if (all) await sessions.endAll(userId);
    else if (sessionId !== null) await sessions.end(userId, sessionId);
    this.#ended(userId, all ? null : sessionId);
  }

  /** Ends the user's other sessions. @throws AccountError */
  async changePassword(
    { userId, sessionId }: Pick<Identity, 'userId' | 'sessionId'>,
    change: { readonly currentPassword: string; readonly newPassword: string; readonly address: string },
  ): Promise<void> {
    const { users, passwords, log } = this.o;
    const attempted = { account: userId, address: change.address, device: null };
    const user = await this.#verify({ id: userId }, change.currentPassword, attempted);
    checkPassword(change.newPassword, user.email);
    const newHash = await passwords.hash(change.newPassword);
    if (!(await users.setPassword(userId, user.passwordHash, newHash, sessionId)))
      throw new AccountError('invalid_credentials', WRONG);
    log.info({ userId }, 'password changed');
    this.#ended(userId, null);
  }

  async me(userId: string): Promise<User | null> {
    return this.o.users.find(userId);
  }

  /** The hash of a device that has been used for this account. */
  async #knownDevice(email: string, { deviceToken, address }: Login): Promise<string | null> {
    if (deviceToken === null || !(await this.o.limits.mayLookUpDevice(address))) return null;
    const hash = hashSecret(deviceToken);
    return (await this.o.sessions.isKnownDevice(email, hash)) ? hash.toString('hex') : null;
  }

  /** The same work and the same words whether there is such an account or not. @throws AccountError */
  async #verify(
    who: Parameters<Users['credentials']>[0],
    password: string,
    attempted: Parameters<LoginLimits['enter']>[0],
  ): Promise<Credentials> {
    const { users, passwords, limits, tracer = noTracer } = this.o;
    const attempt = await limits.enter(attempted);
    let user: Credentials | null;
    let matches: boolean;
    try {
      user = await users.credentials(who);
      const hash = user?.passwordHash ?? null;
      matches = await tracer.span('verify password', {}, () => passwords.verify(hash, password));
    } catch (error) {
      await attempt.undo();
      throw error;
    }
    if (user === null || !matches) throw new AccountError('invalid_credentials', WRONG);
    await attempt.succeeded();
    return user;
  }

  async #grant(session: Session): Promise<Granted> {
    const { users, tokens, records } = this.o;
    const user = await users.find(session.userId);
    if (user === null) throw new AccountError('revoked', REFRESH_FAILURES.revoked);
    records.put(session);
    const { token, expiresAt } = await tokens.issue(user.id, session.id, user.role);
    return {
      userId: user.id,
      sessionId: session.id,
      accessToken: token,
      accessExpiresAt: expiresAt,
      refreshToken: session.refreshToken,
      refreshExpiresAt: session.expiresAt,
    };
  }

  #ended(userId: string, sessionId: string | null): void {
    this.o.changes.announce({ userId, sessionId, keyId: null });
  }
}

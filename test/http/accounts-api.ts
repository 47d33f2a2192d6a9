import type { Accounts } from '../../src/accounts/accounts.js';
import { authRoutes } from '../../src/http/auth.js';
import { keyRoutes } from '../../src/http/keys.js';
import { createRouter } from '../../src/http/router.js';
import { userRoutes } from '../../src/http/users.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { request } from './requests.js';

export interface Sent {
  readonly body?: unknown;
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The REST resources of accounts as a client has them: `api('POST', '/v1/auth/login', { body })`. */
export function apiOf(accounts: Accounts, log: Log = silentLog) {
  const addressOf = (sent: { header(name: string): string | undefined; remoteAddress: string }): string =>
    sent.header('x-test-address') ?? sent.remoteAddress;
  const options = { auth: accounts, allowedOrigins: ['https://app.example.com'], addressOf, log };
  const router = createRouter([
    ...authRoutes(accounts.logins, options),
    ...keyRoutes(accounts, options),
    ...userRoutes(accounts.administration, options),
  ]);
  return async (method: string, path: string, { body, token, headers = {} }: Sent = {}) => {
    const all: Record<string, string> = { host: 'localhost:8080', ...headers };
    if (token !== undefined) all.authorization = `Bearer ${token}`;
    if (body !== undefined) all['content-type'] ??= 'application/json';
    const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
    const response = await router(request(method, path, all, text));
    const answer = String(response.body);
    return { status: response.status, headers: response.headers, body: answer === '' ? null : JSON.parse(answer) };
  };
}

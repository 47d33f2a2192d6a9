import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Accounts } from '../../src/accounts/accounts.js';
import { LocalBus } from '../../src/bus/local.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { badTokens, forge, goodClaims, HEADER, hmac, type Parts } from '../accounts/forged-tokens.js';
import {
  type AccountsDatabase,
  accountsDatabase,
  accountsOn,
  asIdentity,
  logIn,
  loginsOf,
  NOON,
  newUser,
} from '../accounts/support.js';
import type { TestClient } from '../gateway/client.js';
import { Harness, TRANSPORTS } from '../gateway/harness.js';
import { TestMarket } from '../gateway/market.js';
import { TestUsers } from '../gateway/users.js';
import { apiOf } from './accounts-api.js';

let at: AccountsDatabase;
let accounts: Accounts;
let parts: Parts;

beforeAll(async () => {
  at = await accountsDatabase('embedded');
  ({ accounts } = accountsOn(at.pool));
  await accounts.start();
  const { id, email } = await newUser(at.pool);
  const { sessionId: foreignSession } = await logIn(accounts, (await newUser(at.pool)).email);
  const [login, other] = [await logIn(accounts, email), await logIn(accounts, email)];
  const identity = asIdentity(await accounts.authenticate(login.accessToken));
  const { key } = await accounts.createKey(identity, { name: 'bot', scopes: ['candles'] });
  const revoked = await accounts.createKey(identity, { name: 'old bot', scopes: ['candles'] });
  await accounts.revokeKey(id, revoked.entry.id);
  await loginsOf(accounts).logout({ userId: id, sessionId: other.sessionId }, false);
  const { accessToken: good, refreshToken, sessionId } = login;
  parts = {
    userId: id,
    sessionId,
    foreignSession,
    good,
    revoked: other.accessToken,
    key,
    revokedKey: revoked.key,
    refreshToken,
  };
});
afterAll(async () => {
  await accounts.stop();
  await at.stop();
});

test('what the forger makes is good where nothing is bent', async () => {
  expect(await accounts.authenticate(forge(HEADER, goodClaims(parts)))).toMatchObject({ userId: parts.userId });
  const second = forge({ ...HEADER, kid: 'k2' }, goodClaims(parts), (text) =>
    hmac(text, 'fedcba9876543210fedcba9876543210'),
  );
  expect(await accounts.authenticate(second)).toMatchObject({ userId: parts.userId });
  for (const token of [parts.good, parts.key]) expect(await accounts.authenticate(token)).toHaveProperty('userId');
});

test('no token of more than 150 that are not right is accepted, asked directly or over HTTP', async () => {
  const tokens = badTokens(parts);
  expect(new Set(tokens.map(([, token]) => token)).size).toBeGreaterThan(150);
  const api = apiOf(accounts);
  const accepted: string[] = [];
  const answers = new Set<number>();
  for (const [name, token] of tokens) {
    const result = await accounts.authenticate(token);
    if (!('failure' in result)) accepted.push(name);
    const { status } = await api('GET', '/v1/auth/me', { token });
    answers.add(status);
    // Blanks around a token are not of the token.
    if (status !== 401 && token.trim() !== parts.good && token.trim() !== parts.key) accepted.push(`${name} over HTTP`);
  }
  expect(accepted).toEqual([]);
  expect([...answers].filter((status) => status !== 200)).toEqual([401]);
});

describe.each(TRANSPORTS)('nor over a WebSocket on %s', (transport) => {
  let harness: Harness;
  beforeAll(async () => {
    const market = new TestMarket('BTCUSDT');
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    const limits = { authFailures: 10_000, messageBurst: 10_000, messagesPerSecond: 10_000 };
    // The time of the tokens.
    const clock = { ...systemClock, now: () => NOON };
    const { connections, signals, visitors } = new TestUsers();
    const users = { authenticator: accounts, connections, signals, visitors };
    harness = await Harness.over(bus, market, transport, limits, silentLog, clock, { users });
  });
  afterAll(() => harness.stop());

  test('as a message', async () => {
    const tokens = badTokens(parts);
    const accepted: string[] = [];
    let client: TestClient = await harness.client();
    let refusals = 0;
    for (const [name, token] of tokens) {
      client.send({ op: 'auth', token });
      // Answered when the token has been judged. A frame that is too large closes the connection.
      await client.sync().catch(() => null);
      if (client.all('authenticated').length > 0) accepted.push(name);
      else if (client.all('error').length === 1 || client.closeCode !== null) refusals++;
      if (client.closeCode !== null || client.all('authenticated').length > 0) client = await harness.client();
      client.forget();
    }
    expect(accepted).toEqual([]);
    expect(refusals).toBe(tokens.length);
    for (const token of [parts.good, parts.key]) await harness.userClient(token);
  });

  test('as a subprotocol', async () => {
    const { good, key } = parts;
    // What a header does not carry, and what the list in it parts from a token that is good.
    const tokens = badTokens(parts).filter(([, token]) => {
      const first = token.split(',')[0]?.trim();
      return [...token].every((character) => character >= ' ') && first !== good && first !== key;
    });
    expect(tokens.length).toBeGreaterThan(150);
    const accepted: string[] = [];
    const answers = new Map<string, number>();
    for (const [name, token] of tokens) {
      const answer = await offer(harness.port, token);
      if (answer === 'authenticated') accepted.push(name);
      answers.set(answer, (answers.get(answer) ?? 0) + 1);
    }
    expect(accepted).toEqual([]);
    expect(answers.get('error')).toBeGreaterThan(150);
    for (const token of [good, key]) expect(await offer(harness.port, token)).toBe('authenticated');
  });
});

/** What comes of a handshake with a token, written byte by byte: clients would refuse to send most. */
function offer(port: number, token: string): Promise<'authenticated' | 'error' | 'refused'> {
  return new Promise((resolve) => {
    const tcp = connect(port, '127.0.0.1');
    const lines = [
      'GET /v1/stream HTTP/1.1',
      `host: 127.0.0.1:${port}`,
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
      `sec-websocket-protocol: candlecast.v1.json, candlecast.bearer.${token}`,
    ];
    tcp.write(`${lines.join('\r\n')}\r\n\r\n`);
    let text = '';
    const end = (answer: 'authenticated' | 'error' | 'refused') => {
      tcp.destroy();
      resolve(answer);
    };
    tcp.on('data', (chunk) => {
      text += String(chunk);
      // Frames of a server are as they are.
      const [, type] = /"type":"(authenticated|error)"/.exec(text) ?? [];
      if (type === 'authenticated' || type === 'error') end(type);
      else if (/^HTTP\/1\.1 [^1]/.test(text)) end('refused');
    });
    tcp.on('error', () => end('refused'));
    tcp.on('close', () => end('refused'));
  });
}

test('a good token is replayed after its session has ended in vain, also one that was just used', async () => {
  const { email } = await newUser(at.pool);
  const { accessToken, userId, sessionId } = await logIn(accounts, email);
  const api = apiOf(accounts);
  expect((await api('GET', '/v1/auth/me', { token: accessToken })).status).toBe(200);
  await loginsOf(accounts).logout({ userId, sessionId }, false);
  for (let i = 0; i < 3; i++) {
    const { status, body } = await api('GET', '/v1/auth/me', { token: accessToken });
    expect([status, body.code]).toEqual([401, 'revoked']);
  }
});

test.each(['Basic dXNlcjpwYXNz', 'Bearer', 'Bearer ', 'bearer', 'Token x', 'Bearer a b', '', 'Bearer \u0000'])(
  'the header "%s" is refused',
  async (authorization) => {
    expect((await apiOf(accounts)('GET', '/v1/auth/me', { headers: { authorization } })).status).toBe(401);
  },
);

test('tokens in the address or in a cookie are nothing', async () => {
  const api = apiOf(accounts);
  expect((await api('GET', `/v1/auth/me?access_token=${parts.good}&token=${parts.good}`)).status).toBe(401);
  expect((await api('GET', '/v1/auth/me', { headers: { cookie: `token=${parts.good}` } })).status).toBe(401);
});

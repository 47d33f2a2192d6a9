import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import { TestClient } from './client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { ListLog } from './transport-kit.js';
import { TestUsers } from './users.js';

const ANN = '018f0000-0000-7000-8000-00000000000a';
const BEN = '018f0000-0000-7000-8000-00000000000b';

/** Lets a test decide when something goes on. */
function gate(): { wait: () => Promise<void>; open: () => void; entered: Promise<void> } {
  let open = (): void => {};
  let enter = (): void => {};
  const entered = new Promise<void>((resolve) => {
    enter = resolve;
  });
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const wait = (): Promise<void> => {
    enter();
    return opened;
  };
  return { wait, open: () => open(), entered };
}

describe.each(TRANSPORTS)('auth on %s', (transport) => {
  let users: TestUsers;
  let harness: Harness;
  let log: ListLog;
  beforeEach(async () => {
    users = new TestUsers();
    log = new ListLog();
    harness = await Harness.withUsers(users, transport, {}, log);
  });
  afterEach(async () => {
    for (const client of harness.clients) for (const message of client.messages) serverMessage.parse(message);
    await harness.stop();
  });

  it('says who the connection is', async () => {
    const expiresAt = users.clock.now() + 600_000;
    const token = users.accounts.token(ANN, { role: 'publisher', expiresAt });
    const client = await harness.client();
    client.send({ op: 'auth', token, id: 'x' });
    const answer = { type: 'authenticated', id: 'x', userId: ANN, role: 'publisher', plan: 'pro', expiresAt };
    expect(await client.type('authenticated')).toEqual(answer);
    expect(harness.gateway.stats).toMatchObject({ users: 1, authenticated: 1 });
    client.socket.terminate();
    await client.closed();
    while (harness.gateway.stats.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(harness.gateway.stats).toMatchObject({ users: 0, authenticated: 0 });
  });

  it('takes API keys, which do not expire', async () => {
    const client = await harness.userClient(
      users.accounts.token(ANN, { expiresAt: null, sessionId: null, keyId: BEN }),
    );
    expect(client.all('authenticated')).toMatchObject([{ expiresAt: null }]);
  });

  it('asks for it where it is needed', async () => {
    const client = await harness.client();
    client.send({ op: 'subscribe', id: 1, channels: ['signals'] });
    client.send({ op: 'ack', id: 2, channel: 'signals', seq: 1 });
    client.send({ op: 'unsubscribe', id: 3, channels: ['signals'] });
    await client.sync();
    expect(client.all('error').map(({ id, code }) => [id, code])).toEqual([
      [1, 'auth_required'],
      [2, 'auth_required'],
      [3, 'not_subscribed'],
    ]);
  });

  it('refuses wrong tokens by name, and closes with 4103 after three', async () => {
    const expired = users.accounts.token(ANN, { expiresAt: 1 });
    const ended = users.accounts.token(ANN);
    users.accounts.end(ended);
    const client = await harness.client();
    for (const token of ['nonsense', expired, ended]) client.send({ op: 'auth', token });
    expect(await client.closed()).toBe(4103);
    expect(client.all('error').map((error) => error.code)).toEqual(['invalid_token', 'token_expired', 'token_revoked']);
    expect(harness.gateway.stats).toMatchObject({ authFailures: 3, closes: { 4103: 1 } });
  });

  it('stops verifying once it has closed', async () => {
    const client = await harness.client();
    for (let i = 0; i < 20; i++) client.send({ op: 'auth', token: `guess-${i}` });
    await client.closed();
    expect(users.accounts.verified).toBe(3);
  });

  it('never says or logs a token', async () => {
    const bad = 'canary-canary-canary';
    const good = users.accounts.token(ANN);
    const client = await harness.client();
    client.send({ op: 'auth', token: bad, id: 1 });
    client.sendRaw(`{"op":"auth","token":${JSON.stringify(bad)},"extra":1}`);
    client.sendRaw(`{"op":"auth","token":"${bad}"`);
    await client.sync();
    users.accounts.down = true;
    client.send({ op: 'auth', token: bad, id: 2 });
    await client.sync();
    users.accounts.down = false;
    client.send({ op: 'auth', token: good });
    await client.type('authenticated');
    expect(client.all('error').map((error) => error.code)).toEqual([
      'invalid_token',
      'invalid_message',
      'invalid_json',
      'unavailable',
    ]);
    expect(log.lines).not.toEqual([]);
    const logged = JSON.stringify(log.lines, (_key, value) => (value instanceof Error ? value.stack : value));
    for (const token of [bad, good]) {
      expect(JSON.stringify(client.messages)).not.toContain(token);
      expect(logged).not.toContain(token);
    }
  });

  it('answers what comes meanwhile afterwards, in order', async () => {
    const { wait, open, entered } = gate();
    users.accounts.before = wait;
    const client = await harness.client();
    client.send({ op: 'auth', token: users.accounts.token(ANN), id: 'first' });
    client.send({ op: 'subscribe', id: 'second', channels: ['signals'] });
    client.send({ op: 'auth', token: users.accounts.token(ANN), id: 'third' });
    client.send({ op: 'ping', id: 'fourth' });
    await entered;
    expect(client.messages).toHaveLength(1);
    open();
    await client.until((m) => m.type === 'pong' && m.id === 'fourth');
    await client.type('subscribed');
    const answers = client.messages.slice(1).filter((m) => m.type !== 'subscribed');
    expect(answers.map((m) => [m.type, 'id' in m && m.id])).toEqual([
      ['authenticated', 'first'],
      ['authenticated', 'third'],
      ['pong', 'fourth'],
    ]);
  });

  it('lets no more than 64 KiB wait', async () => {
    const { wait, open, entered } = gate();
    users.accounts.before = wait;
    const client = await harness.client();
    client.send({ op: 'auth', token: users.accounts.token(ANN) });
    await entered;
    for (let i = 0; i < 40; i++) client.sendRaw(`${`{"op":"ping","id":${i}`.padEnd(2999)}}`);
    await client.until(() => client.all('error').length === 40 - 22);
    open();
    await client.until(() => client.all('pong').length === 22);
    expect(client.all('pong').map((pong) => pong.id)).toEqual(Array.from({ length: 22 }, (_, i) => i));
    expect(client.all('error')[0]).toMatchObject({
      code: 'rate_limited',
      message: 'over 65536 bytes while a token is verified: dropped',
    });
  });

  it('says so when tokens cannot be verified, and counts that as no failure', async () => {
    users.accounts.down = true;
    const client = await harness.client();
    for (let i = 0; i < 5; i++) client.send({ op: 'auth', token: 'x', id: i });
    await client.sync();
    expect(client.all('error').map((error) => error.code)).toEqual(Array(5).fill('unavailable'));
    expect(client.closeCode).toBeNull();
  });

  it('warns before a token expires, takes a fresh one in place, and closes with 4104 without', async () => {
    const session = { sessionId: BEN, expiresAt: users.clock.now() + 100_000 };
    const client = await harness.userClient(users.accounts.token(ANN, session));
    client.send({ op: 'subscribe', channels: ['signals'] });
    await client.type('subscribed');
    harness.gateway.sweep();
    expect(client.all('auth_expiring')).toEqual([]);
    users.aheadMs += 50_000;
    harness.gateway.sweep();
    harness.gateway.sweep();
    await client.sync();
    expect(client.all('auth_expiring')).toEqual([{ type: 'auth_expiring', expiresAt: session.expiresAt }]);
    const expiresAt = users.clock.now() + 200_000;
    client.send({ op: 'auth', token: users.accounts.token(ANN, { sessionId: BEN, expiresAt }), id: 'fresh' });
    await client.until((m) => m.type === 'authenticated' && m.id === 'fresh' && m.expiresAt === expiresAt);
    users.aheadMs += 60_000;
    harness.gateway.sweep();
    users.signals.publish(ANN);
    await client.type('signal');
    expect(client.closeCode).toBeNull();
    users.aheadMs += 150_000;
    harness.gateway.sweep();
    expect(await client.closed()).toBe(4104);
    expect(harness.gateway.stats.authenticated).toBe(0);
  });

  it('keeps a connection whose fresh token is being verified when the old one expires', async () => {
    const client = await harness.userClient(users.accounts.token(ANN, { expiresAt: users.clock.now() + 60_000 }));
    const { wait, open, entered } = gate();
    users.accounts.before = wait;
    client.send({ op: 'auth', token: users.accounts.token(ANN, { expiresAt: users.clock.now() + 120_000 }), id: 2 });
    await entered;
    // Far enough for the logins to be looked at again, too.
    users.aheadMs += 61_000;
    harness.gateway.sweep();
    open();
    await client.until((m) => m.type === 'authenticated' && m.id === 2);
    harness.gateway.sweep();
    await client.sync();
  });

  it('keeps a connection for one user', async () => {
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'auth', token: users.accounts.token(BEN), id: 2 });
    expect(await client.type('error')).toMatchObject({ id: 2, code: 'other_user' });
    client.send({ op: 'subscribe', channels: ['signals'] });
    await client.type('subscribed');
    users.signals.publish(BEN);
    await client.sync();
    expect(client.all('signal')).toEqual([]);
  });

  it('forgets who went away while the token was verified', async () => {
    const { wait, open, entered } = gate();
    users.accounts.before = wait;
    const client = await harness.client();
    client.send({ op: 'auth', token: users.accounts.token(ANN) });
    await entered;
    client.socket.terminate();
    while (harness.gateway.stats.connections > 0) await new Promise((resolve) => setImmediate(resolve));
    open();
    await new Promise((resolve) => setImmediate(resolve));
    expect(harness.gateway.stats).toMatchObject({ users: 0, authenticated: 0 });
    expect(await users.connections.take(ANN, 1)).toBe(true);
  });

  it('bounds the size of a token', async () => {
    const client = await harness.client();
    const id = '\u0001'.repeat(LIMITS.idLength);
    client.send({ op: 'auth', token: 'x'.repeat(LIMITS.tokenLength), id });
    expect(await client.type('error')).toMatchObject({ id, code: 'invalid_token' });
    client.send({ op: 'auth', token: 'x'.repeat(LIMITS.tokenLength + 1) });
    await client.until((m) => m.type === 'error' && m.code === 'invalid_message');
  });

  it('takes a token as a subprotocol beside an encoding, and never sends it back', async () => {
    const token = users.accounts.token(ANN);
    for (const encoding of ['candlecast.v1.json', 'candlecast.v1.msgpack']) {
      for (const offered of [
        [encoding, `candlecast.bearer.${token}`],
        [`candlecast.bearer.${token}`, encoding],
      ]) {
        const client = await TestClient.offer(harness.port, offered);
        harness.clients.push(client);
        expect(client.socket.protocol).toBe(encoding);
        expect(await client.type('authenticated')).toMatchObject({ userId: ANN });
        expect(client.messages.map((m) => m.type)).toEqual(['welcome', 'authenticated']);
      }
    }
  });

  it('answers a wrong one with an error, and stays open for another', async () => {
    const client = await TestClient.offer(harness.port, ['candlecast.v1.json', 'candlecast.bearer.wrong']);
    harness.clients.push(client);
    expect(await client.type('error')).toMatchObject({ code: 'invalid_token' });
    client.send({ op: 'auth', token: users.accounts.token(ANN) });
    await client.type('authenticated');
  });

  it.each([
    ['alone', ['candlecast.bearer.abc'], 400, /beside the token offer one of candlecast.v1.json/],
    ['twice', ['candlecast.v1.json', 'candlecast.bearer.abc', 'candlecast.bearer.abd'], 400, /one token only/],
    ['empty', ['candlecast.v1.json', 'candlecast.bearer.'], 400, /1 to 3072 characters/],
  ])('refuses one that is %s', async (_name, offered, status, words) => {
    const refused = await upgrade(harness.port, { 'sec-websocket-protocol': offered.join(', ') });
    expect(refused).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(refused).toMatch(words);
    expect(refused).not.toContain('bearer.abc');
  });

  it('answers a change that is told while the token is verified', async () => {
    const token = users.accounts.token(ANN);
    const { wait, open, entered } = gate();
    users.accounts.after = wait;
    const client = await harness.client();
    client.send({ op: 'auth', token });
    await entered;
    users.accounts.end(token);
    open();
    expect(await client.closed()).toBe(4103);
  });

  it('refuses pages of other origins with 403', async () => {
    const host = `127.0.0.1:${harness.port}`;
    const open = (origin: string) => upgrade(harness.port, { origin });
    expect(await open(`http://${host}`)).toMatch(/^HTTP\/1.1 101 /);
    expect(await open(`https://${host}`)).toMatch(/^HTTP\/1.1 101 /);
    for (const origin of [
      'https://evil.example',
      'http://127.0.0.1:1',
      'null',
      'file://',
      `http://${host}.evil.example`,
    ])
      expect(await open(origin)).toMatch(/^HTTP\/1.1 403 /);
  });
});

/** The answer to a handshake with these headers. */
function upgrade(port: number, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const tcp = connect(port, '127.0.0.1');
    const lines = Object.entries({
      host: `127.0.0.1:${port}`,
      connection: 'upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      ...headers,
    }).map(([name, value]) => `${name}: ${value}\r\n`);
    tcp.write(`GET /v1/stream HTTP/1.1\r\n${lines.join('')}\r\n`);
    let text = '';
    tcp.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes('\r\n\r\n') && (text.startsWith('HTTP/1.1 101') || text.includes('}'))) {
        tcp.destroy();
        resolve(text);
      }
    });
    tcp.on('error', reject);
  });
}

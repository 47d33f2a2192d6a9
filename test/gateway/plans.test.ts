import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DAY_MS, MINUTE_MS } from '../../src/market/interval.js';
import { toWireCandle } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestUsers } from './users.js';

const ANN = '018f0000-0000-7000-8000-00000000000a';
const CHANNELS = ['candles:BTCUSDT:1m', 'candles:BTCUSDT:5m', 'status', 'signals'];

describe.each(TRANSPORTS)('plans on %s', (transport) => {
  let users: TestUsers;
  let harness: Harness;
  beforeEach(async () => {
    users = new TestUsers();
    harness = await Harness.withUsers(users, transport, { sweepMs: 3_600_000 });
  });
  afterEach(async () => {
    for (const client of harness.clients) for (const message of client.messages) serverMessage.parse(message);
    await harness.stop();
  });

  /** A channel in which most is older than a day. */
  function twoDays(): void {
    harness.market.closeMany(2 * 24 * 60);
  }

  it('bounds channels a connection, and names limit and plan', async () => {
    users.accounts.setPlan(ANN, { plan: 'free', channels: 2 });
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'subscribe', id: 7, channels: CHANNELS });
    await client.until(() => client.all('error').length === 2);
    expect(client.all('error')[0]).toEqual({
      type: 'error',
      id: 7,
      channel: 'status',
      code: 'plan_limit',
      message: 'the plan free gives 2 channels a connection',
      plan: 'free',
      limit: 'channels',
    });
  });

  it('bounds intervals', async () => {
    users.accounts.setPlan(ANN, { plan: 'free', intervals: ['5m', '1h'] });
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'subscribe', channels: CHANNELS });
    await client.until(() => client.all('subscribed').length === 3);
    expect(client.all('error')).toMatchObject([
      {
        channel: 'candles:BTCUSDT:1m',
        code: 'plan_limit',
        message: 'the plan free gives the intervals 5m 1h',
        plan: 'free',
        limit: 'intervals',
      },
    ]);
  });

  it('bounds what an API key may do by its scopes', async () => {
    const key = { sessionId: null, keyId: 'k', expiresAt: null };
    const reader = await harness.userClient(
      users.accounts.token(ANN, { ...key, keyId: 'a', scopes: ['signals:read'] }),
    );
    reader.send({ op: 'subscribe', channels: CHANNELS });
    await reader.until(() => reader.all('subscribed').length === 2);
    expect(reader.all('error').map(({ channel, code }) => [channel, code])).toEqual([
      ['candles:BTCUSDT:1m', 'missing_scope'],
      ['candles:BTCUSDT:5m', 'missing_scope'],
    ]);
    const watcher = await harness.userClient(
      users.accounts.token(ANN, { ...key, scopes: ['candles', 'signals:write'] }),
    );
    watcher.send({ op: 'subscribe', channels: CHANNELS });
    await watcher.until(() => watcher.all('subscribed').length === 3);
    expect(watcher.all('error')).toMatchObject([
      { channel: 'signals', code: 'missing_scope', message: 'the API key lacks the scope signals:read' },
    ]);
  });

  it('cuts a snapshot where the plan ends, and says so', async () => {
    twoDays();
    users.accounts.setPlan(ANN, { plan: 'free', historyDays: 1 });
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'subscribe', id: 1, channels: ['candles:BTCUSDT:5m'], snapshot: 1000 });
    const cut = await client.type('subscribed');
    const all = harness.market.candles('5m');
    const until = (all.at(-1)?.openTime ?? 0) + 5 * MINUTE_MS;
    expect(cut.candles).toEqual(all.filter((c) => c.openTime >= until - DAY_MS).map(toWireCandle));
    expect(cut.limited).toEqual({ plan: 'free', historyDays: 1 });
    client.send({ op: 'unsubscribe', channels: ['candles:BTCUSDT:5m'] });
    client.send({ op: 'subscribe', id: 2, channels: ['candles:BTCUSDT:5m'], snapshot: 100 });
    const whole = await client.until((m) => m.type === 'subscribed' && m.id === 2);
    expect(whole).not.toHaveProperty('limited');
    expect(whole).toHaveProperty('candles.length', 100);
  });

  it('says the same in MessagePack, and keeps what others get as it is', async () => {
    twoDays();
    users.accounts.setPlan(ANN, { plan: 'free', historyDays: 1 });
    const [text, binary] = [
      await harness.userClient(users.accounts.token(ANN)),
      await harness.userClient(users.accounts.token(ANN), 'msgpack'),
    ];
    const anonymous = await harness.client();
    for (const client of [text, binary, anonymous]) {
      client.send({ op: 'subscribe', id: 1, channels: ['candles:BTCUSDT:1m'], snapshot: 1000 });
      client.send({ op: 'subscribe', id: 2, channels: ['candles:BTCUSDT:5m'], snapshot: 500 });
      await client.until(() => client.all('subscribed').length === 2);
    }
    expect(binary.all('subscribed')).toEqual(text.all('subscribed'));
    expect(text.all('subscribed').map((m) => [m.candles.length, m.limited?.historyDays])).toEqual([
      [1000, undefined],
      [288, 1],
    ]);
    expect(anonymous.all('subscribed').map((m) => [m.candles.length, m.limited])).toEqual([
      [1000, undefined],
      [500, undefined],
    ]);
  });

  it('resumes within the plan; what begins before it is a fresh snapshot that says why', async () => {
    twoDays();
    users.accounts.setPlan(ANN, { plan: 'free', historyDays: 1 });
    const client = await harness.userClient(users.accounts.token(ANN));
    const minutes = harness.market.candles('1m');
    const resume = async (back: number) => {
      const seq = minutes.at(-back)?.seq ?? 0;
      client.send({ op: 'subscribe', id: back, channels: [{ channel: CHANNELS[0], position: { epoch: 7, seq } }] });
      const answer = await client.until((m) => m.type === 'subscribed' && m.id === back);
      client.send({ op: 'unsubscribe', channels: [CHANNELS[0]] });
      return answer;
    };
    expect(await resume(1000)).toMatchObject({ recovered: true, candles: { length: 999 } });
    expect(await resume(1000)).not.toHaveProperty('limited');
    expect(await resume(1441)).toMatchObject({ recovered: true, candles: { length: 1440 } });
    const beyond = { recovered: false, limited: { plan: 'free', historyDays: 1 }, candles: { length: 100 } };
    expect(await resume(1442)).toMatchObject(beyond);
  });

  it('bounds connections of a user, and names limit and plan', async () => {
    users.accounts.setPlan(ANN, { plan: 'free', connections: 2 });
    const token = users.accounts.token(ANN);
    const first = await harness.userClient(token);
    await harness.userClient(token);
    const third = await harness.client();
    third.send({ op: 'auth', token, id: 1 });
    expect(await third.type('error')).toMatchObject({ id: 1, code: 'plan_limit', plan: 'free', limit: 'connections' });
    third.send({ op: 'subscribe', channels: ['signals'] });
    await third.until((m) => m.type === 'error' && m.code === 'auth_required');
    first.socket.terminate();
    while (harness.gateway.stats.authenticated > 1) await immediate();
    third.send({ op: 'auth', token, id: 2 });
    await third.type('authenticated');
    third.send({ op: 'auth', token, id: 3 });
    await third.until((m) => m.type === 'authenticated' && m.id === 3);
  });

  it('drops what a connection has over the plan when it authenticates', async () => {
    users.accounts.setPlan(ANN, { plan: 'free', intervals: ['5m'] });
    const client = await harness.client();
    client.send({ op: 'subscribe', channels: ['candles:BTCUSDT:1m', 'candles:BTCUSDT:5m'] });
    await client.until(() => client.all('subscribed').length === 2);
    client.send({ op: 'auth', token: users.accounts.token(ANN) });
    expect(await client.type('unsubscribed')).toMatchObject({ channel: 'candles:BTCUSDT:1m', reason: 'plan_limit' });
  });

  it('downgrades in place at once: says the new plan, drops what is over it, and leaves the rest', async () => {
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'subscribe', channels: [...CHANNELS].reverse() });
    await client.until(() => client.all('subscribed').length === 4);
    users.accounts.setPlan(ANN, { plan: 'free', channels: 2, intervals: ['5m'] });
    await client.until(() => client.all('unsubscribed').length === 2);
    expect(client.all('authenticated').at(-1)).toMatchObject({ plan: 'free' });
    expect(client.all('unsubscribed')).toEqual([
      {
        type: 'unsubscribed',
        channel: 'candles:BTCUSDT:5m',
        reason: 'plan_limit',
        message: 'the plan free gives 2 channels a connection',
      },
      {
        type: 'unsubscribed',
        channel: 'candles:BTCUSDT:1m',
        reason: 'plan_limit',
        message: 'the plan free gives the intervals 5m',
      },
    ]);
    client.send({ op: 'list' });
    expect((await client.type('channels')).channels).toEqual(['signals', 'status']);
    const seen = client.messages.length;
    harness.bus.publish(harness.market.close());
    users.signals.publish(ANN);
    await client.type('signal');
    await client.sync();
    expect(client.messages.slice(seen).map((m) => m.type)).toEqual(['signal', 'pong']);
  });

  it('answers a subscription under way that the plan does not give any more', async () => {
    const client = await harness.userClient(users.accounts.token(ANN));
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    users.signals.delay = () => opened;
    client.send({ op: 'subscribe', id: 5, channels: ['signals'] });
    await client.sync();
    users.accounts.setPlan(ANN, { plan: 'none', channels: 0 });
    expect(await client.type('error')).toMatchObject({ id: 5, channel: 'signals', code: 'plan_limit' });
    open();
    users.signals.publish(ANN);
    await client.sync();
    expect(client.all('subscribed')).toEqual([]);
    expect(client.all('signal')).toEqual([]);
  });

  it('closes the connections over a smaller number with 4105', async () => {
    const token = users.accounts.token(ANN);
    const clients = [];
    for (let i = 0; i < 5; i++) clients.push(await harness.userClient(token));
    users.accounts.setPlan(ANN, { plan: 'free', connections: 2 });
    while (harness.gateway.stats.authenticated > 2) await immediate();
    for (const client of clients) if (client.closeCode === null) await client.sync().catch(() => {});
    expect(clients.map((client) => client.closeCode ?? 0).sort()).toEqual([0, 0, 4105, 4105, 4105]);
    users.accounts.setPlan(ANN, { plan: 'pro' });
    await harness.userClient(token);
    expect(harness.gateway.stats.authenticated).toBe(3);
  });

  it('closes the connections of a session that ends at once with 4103, and no others', async () => {
    const [phone, desk] = [users.accounts.token(ANN), users.accounts.token(ANN)];
    const gone = [await harness.userClient(phone), await harness.userClient(phone, 'msgpack')];
    const stays = await harness.userClient(desk);
    users.accounts.end(phone);
    for (const client of gone) expect(await client.closed()).toBe(4103);
    await stays.sync();
    expect(harness.gateway.stats).toMatchObject({ authenticated: 1, closes: { 4103: 2 } });
  });

  it('goes by what was read last when changes follow each other', async () => {
    const client = await harness.userClient(users.accounts.token(ANN));
    let open = (): void => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    let answers = 0;
    users.accounts.after = async () => {
      answers++;
      if (answers === 1) await opened;
    };
    users.accounts.setPlan(ANN, { plan: 'free' });
    await client.sync();
    users.accounts.setPlan(ANN, { plan: 'best' });
    await client.sync();
    open();
    await client.until((m) => m.type === 'authenticated' && m.plan === 'best');
    await client.sync();
    expect(client.all('authenticated').map((m) => m.plan)).toEqual(['pro', 'free', 'best']);
  });

  it('finds out within a minute what was not announced', async () => {
    const token = users.accounts.token(ANN);
    const client = await harness.userClient(token);
    users.accounts.end(token, false);
    harness.gateway.sweep();
    users.aheadMs += 60_000;
    harness.gateway.sweep();
    expect(await client.closed()).toBe(4103);
  });

  it('keeps everybody while the accounts cannot be asked, and asks again', async () => {
    const token = users.accounts.token(ANN);
    const client = await harness.userClient(token);
    users.accounts.down = true;
    users.accounts.end(token);
    await client.sync();
    expect(users.accounts.questions).toBe(1);
    users.accounts.down = false;
    users.aheadMs += 1000;
    harness.gateway.sweep();
    expect(await client.closed()).toBe(4103);
  });

  it('asks for many users in few questions', async () => {
    const tokens = Array.from({ length: 300 }, (_, i) => users.accounts.token(`user-${i}`));
    const clients = await Promise.all(tokens.map((token) => harness.userClient(token)));
    users.accounts.questions = 0;
    users.aheadMs += 60_000;
    harness.gateway.sweep();
    await Promise.all(clients.map((client) => client.sync()));
    expect(users.accounts.questions).toBe(2);
    expect(harness.gateway.stats.rechecks).toBe(300);
  });
});

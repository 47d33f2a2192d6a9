import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { formatEventId, listOf, parseEventId } from '../../src/gateway/sse/event-id.js';
import { Follower } from './follower.js';
import { Harness, TRANSPORTS, type TransportName } from './harness.js';
import { TestMarket } from './market.js';
import { type Heard, SseClient } from './sse-client.js';
import { PLAN, TestUsers } from './users.js';

const LIVE = 'candles:BTCUSDT:1m';
const CLOSED = 'candles:BTCUSDT:1m:closed';
const FIVE = 'candles:BTCUSDT:5m';
const QUICK = { sweepMs: 10, pingPeriodMs: 20, pongTimeoutMs: 100 };

const harnesses: Harness[] = [];
const clients: SseClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.leave();
  await Promise.all(harnesses.splice(0).map((harness) => harness.stop()));
});

async function start(transport: TransportName, limits: object = {}, candles = 200) {
  const market = new TestMarket('BTCUSDT');
  market.closeMany(candles);
  const harness = await Harness.start(market, transport, limits);
  harnesses.push(harness);
  return { harness, market };
}

async function open(harness: Harness, channels: readonly string[], given: Parameters<typeof SseClient.open>[2] = {}) {
  const client = await SseClient.open(harness.port, channels, given);
  clients.push(client);
  expect(client.status).toBe(200);
  return client;
}

async function ask(harness: Harness, path: string, headers: Record<string, string> = {}) {
  const client = await SseClient.ask(harness.port, path, headers);
  clients.push(client);
  return client;
}

/** Much to send, of which little is for good: one close and perhaps a correction among changes of the open candle. */
async function flood(harness: Harness, market: TestMarket, round: number): Promise<void> {
  for (let i = 0; i < 200; i++) harness.bus.publish(market.update());
  harness.bus.publish([...market.correct(round % 50), ...market.close()]);
  await immediate();
}

/** Everything published so far has been heard on the channel. */
async function caughtUp(client: SseClient, market: TestMarket, channel = LIVE): Promise<void> {
  const interval = channel.includes(':5m') ? '5m' : '1m';
  const isThere = (m: Heard['data']) => 'seq' in m && m.channel === channel && m.seq === market.lastDurable[interval];
  let seen = 0;
  await client.until(() => {
    const news = client.heard.slice(seen);
    seen += news.length;
    return news.some(({ data }) => isThere(data));
  });
}

describe.each(TRANSPORTS)('server-sent events on %s', (transport) => {
  it('are the messages of the native protocol: snapshot, then live, without a seam', async () => {
    const { harness, market } = await start(transport);
    const client = await open(harness, [LIVE, FIVE, 'status']);
    await client.until(() => client.all('status').length === 1 && client.all('subscribed').length === 3);
    expect(client.response.headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store, no-transform',
      'access-control-allow-origin': '*',
    });
    expect(client.messages[0]).toMatchObject({ type: 'welcome', protocol: 'candlecast.v1' });
    expect(client.retryMs).toBeGreaterThanOrEqual(1000);
    for (let i = 0; i < 20; i++) harness.bus.publish([...market.update(), ...market.close(), ...market.correct(i)]);
    await caughtUp(client, market);
    await caughtUp(client, market, FIVE);
    new Follower(LIVE).read(client.messages).expectTruth(market, '1m');
    new Follower(FIVE).read(client.messages).expectTruth(market, '5m');
    expect(client.heard.every(({ event }) => event === 'message')).toBe(true);
  });

  it('name the position of every channel, and only when one has changed', async () => {
    const { harness, market } = await start(transport);
    const client = await open(harness, [LIVE, CLOSED]);
    await client.until(() => client.all('subscribed').length === 2);
    const before = client.lastEventId;
    harness.bus.publish(market.update());
    await client.until(() => client.all('candle').length === 1);
    expect(client.lastEventId).toBe(before);
    harness.bus.publish(market.close());
    await client.until(() => client.all('candle').length === 3);
    const at = { epoch: 7, seq: market.seq };
    expect(parseEventId(client.lastEventId, [LIVE, CLOSED])).toEqual([at, at]);
  });

  it('go on from any event that was heard, on another node, without a hole or a double', async () => {
    const other: TransportName = transport === 'uws' ? 'node' : 'uws';
    const { harness: a, market } = await start(transport);
    const b = await Harness.start(market, other);
    harnesses.push(b);
    const first = await open(a, [LIVE, FIVE, CLOSED]);
    await first.until(() => first.all('subscribed').length === 3);
    for (let i = 0; i < 30; i++) {
      const events = [...market.update(), ...market.close(), ...(i % 4 === 0 ? market.correct(i) : [])];
      a.bus.publish(events);
      b.bus.publish(events);
    }
    await caughtUp(first, market);
    await caughtUp(first, market, FIVE);
    await caughtUp(first, market, CLOSED);
    for (let heard = 1; heard <= first.heard.length; heard += 7) {
      const lastEventId = first.heard[heard - 1]?.lastEventId ?? '';
      const second = await open(b, [LIVE, FIVE, CLOSED], { lastEventId });
      await second.until(() => second.all('subscribed').length === 3);
      const before = first.messages.slice(0, heard);
      for (const channel of [LIVE, FIVE, CLOSED]) {
        const follower = new Follower(channel).read(before);
        const answer = second.all('subscribed').find((message) => message.channel === channel);
        expect(answer?.recovered).toBe(follower.started ? true : undefined);
        follower.read(second.messages).expectTruth(market, channel === FIVE ? '5m' : '1m');
      }
      second.leave();
    }
  });

  it('take the last id from the address, too; the header wins', async () => {
    const { harness, market } = await start(transport);
    const id = (seq: number) => formatEventId(listOf([LIVE]), [{ epoch: 7, seq }]);
    const now = market.seq;
    market.close();
    const path = `/v1/sse?channels=${LIVE}&lastEventId=${id(now)}`;
    const client = await ask(harness, path);
    await client.until(() => client.all('subscribed').length === 1);
    expect(client.all('subscribed')[0]).toMatchObject({ recovered: true, candles: [{ x: true }] });
    const again = await ask(harness, path, { 'last-event-id': id(market.seq) });
    await again.until(() => again.all('subscribed').length === 1);
    expect(again.all('subscribed')[0]).toMatchObject({ recovered: true, candles: [] });
  });

  it('beat while it is quiet', async () => {
    const { harness, market } = await start(transport, { ...QUICK, heartbeatMs: 20 });
    const client = await open(harness, [LIVE]);
    await client.until(() => client.all('heartbeat').length >= 2 && client.comments >= 2);
    expect(client.all('heartbeat')[0]).toMatchObject({ channel: LIVE, epoch: 7, seq: market.seq });
  });

  it('wait for a reader that is slow, and bring it what it missed', async () => {
    const { harness, market } = await start(transport, { ...QUICK, pongTimeoutMs: 3_600_000 });
    const slow = await open(harness, [LIVE]);
    const other = await open(harness, [LIVE]);
    await slow.until(() => slow.all('subscribed').length === 1);
    await other.until(() => other.all('subscribed').length === 1);
    slow.response.pause();
    for (let i = 0; harness.gateway.stats.lagging === 0; i++) await flood(harness, market, i);
    for (let i = 0; i < 300; i++) harness.bus.publish([...market.update(), ...market.close()]);
    slow.response.resume();
    await slow.until(() => slow.all('resync').length === 1);
    harness.bus.publish([...market.update(), ...market.close(), ...market.update()]);
    await caughtUp(slow, market);
    await caughtUp(other, market);
    expect(other.all('resync')).toEqual([]);
    new Follower(LIVE).read(slow.messages).expectTruth(market, '1m');
    new Follower(LIVE).read(other.messages).expectTruth(market, '1m');
    expect(harness.gateway.stats).toMatchObject({ lagging: 0, lagsTotal: 1, closes: {} });
  }, 60_000);

  it('end for a reader that does not come back; what it got has no hole, and it resumes', async () => {
    const { harness, market } = await start(transport, { ...QUICK, lagTimeoutMs: 300 });
    const slow = await open(harness, [LIVE]);
    await slow.until(() => slow.all('subscribed').length === 1);
    slow.response.pause();
    for (let i = 0; harness.gateway.stats.connections > 0; i++) await flood(harness, market, i);
    slow.response.resume();
    await slow.closed();
    const follower = new Follower(LIVE).read(slow.messages);
    expect(follower.seq).toBeLessThan(market.seq);
    const again = await open(harness, [LIVE], { lastEventId: slow.lastEventId });
    await again.until(() => again.all('subscribed').length === 1);
    expect(again.all('subscribed')[0]?.recovered).toBe(true);
    follower.read(again.messages).expectTruth(market, '1m');
  }, 60_000);

  it('are cut above the limit of what may wait', async () => {
    const limits = { lagBytes: 900_000, maxBufferedBytes: 1_000_000, resumeCandles: 1_000 };
    const { harness, market } = await start(transport, { ...limits, sweepMs: 3_600_000 });
    const slow = await open(harness, [LIVE]);
    await slow.until(() => slow.all('subscribed').length === 1);
    slow.response.pause();
    for (let i = 0; harness.gateway.stats.connections > 0; i++) await flood(harness, market, i);
    slow.response.resume();
    expect(await slow.closed()).toBeNull();
    expect(new Follower(LIVE).read(slow.messages).started).toBe(true);
  }, 60_000);

  it('leave nothing behind when the reader goes', async () => {
    const { harness, market } = await start(transport);
    const client = await open(harness, [LIVE]);
    await client.until(() => client.all('subscribed').length === 1);
    expect(harness.gateway.stats).toMatchObject({ connections: 1, subscriptions: 1 });
    client.leave();
    while (harness.gateway.stats.connections > 0) await immediate();
    expect(harness.gateway.stats).toMatchObject({ connections: 0, subscriptions: 0 });
    harness.bus.publish(market.close());
  });

  it('end with 1001 when the server goes, which takes no more then', async () => {
    const { harness } = await start(transport);
    const client = await open(harness, [LIVE]);
    await client.until(() => client.all('subscribed').length === 1);
    await harness.gateway.drain(2_000);
    expect(await client.closed()).toBe(1001);
    expect(client.heard.at(-1)?.event).toBe('close');
    expect(harness.gateway.stats.connections).toBe(0);
  });

  it('share the limits of sockets', async () => {
    const { harness } = await start(transport, { connectionsPerAddress: 2 });
    await harness.client();
    const client = await open(harness, [LIVE]);
    const third = await ask(harness, `/v1/sse?channels=${LIVE}`);
    expect(third.response.headers['retry-after']).toBe('5');
    expect(await third.problem()).toMatchObject({ status: 429 });
    client.leave();
    while (harness.gateway.stats.connections > 1) await immediate();
    await open(harness, [LIVE]);
  });

  it('answer HEAD and OPTIONS, and nothing else', async () => {
    const { harness } = await start(transport);
    const url = `http://127.0.0.1:${harness.port}/v1/sse?channels=${LIVE}`;
    const head = await fetch(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const preflight = await fetch(url, { method: 'OPTIONS', headers: { origin: 'https://elsewhere.example' } });
    expect([preflight.status, preflight.headers.get('access-control-allow-headers')]).toEqual([204, 'last-event-id']);
    const posted = await fetch(url, { method: 'POST' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    expect(harness.gateway.stats.connections).toBe(0);
  });

  it('tell of a symbol that does not exist, and of others all the same', async () => {
    const { harness } = await start(transport);
    const client = await open(harness, ['candles:NOSUCH:1m', LIVE]);
    await client.until(() => client.all('subscribed').length === 1 && client.all('error').length === 1);
    expect(client.all('error')[0]).toMatchObject({ code: 'unknown_symbol', channel: 'candles:NOSUCH:1m' });
    expect(client.all('subscribed')[0]?.channel).toBe(LIVE);
  });
});

describe.each(TRANSPORTS)('server-sent events of users on %s', (transport) => {
  async function withUsers() {
    const users = new TestUsers();
    const harness = await Harness.withUsers(users, transport);
    harnesses.push(harness);
    return { users, harness };
  }

  it('bring signals, also those missed meanwhile', async () => {
    const { users, harness } = await withUsers();
    const token = users.accounts.token('alice');
    const client = await open(harness, [LIVE, 'signals'], { token });
    await client.until(() => client.all('subscribed').length === 2);
    expect(client.all('authenticated')).toMatchObject([{ userId: 'alice', plan: 'pro' }]);
    users.signals.publish('alice');
    users.signals.publish('bob');
    await client.until(() => client.all('signal').length === 1);
    client.leave();
    users.signals.publish('alice');
    const again = await open(harness, [LIVE, 'signals'], { token, lastEventId: client.lastEventId });
    await again.until(() => again.all('signals').length === 1);
    expect(again.all('signals')[0]?.signals).toMatchObject([{ seq: users.signals.of('alice').at(-1)?.seq }]);
    expect(again.all('subscribed').find(({ channel }) => channel === 'signals')?.recovered).toBe(true);
  });

  it('need a token that is good', async () => {
    const { users, harness } = await withUsers();
    const path = '/v1/sse?channels=signals';
    const refused = async (authorization?: string) => {
      const client = await ask(harness, path, authorization === undefined ? {} : { authorization });
      expect(client.response.headers['www-authenticate']).toBe('Bearer');
      return await client.problem();
    };
    expect(await refused()).toMatchObject({ status: 401, code: 'auth_required' });
    for (const wrong of ['', 'Bearer', 'Basic dTpw', 'Bearer a b', 'Bearer nobody', `Bearer ${'x'.repeat(3000)}`])
      expect(await refused(wrong)).toMatchObject({ status: 401, code: 'invalid_token' });
    const token = users.accounts.token('alice');
    users.accounts.end(token);
    expect(await refused(`Bearer ${token}`)).toMatchObject({ status: 401, code: 'token_revoked' });
    users.accounts.down = true;
    const away = await ask(harness, path, { authorization: `Bearer ${token}` });
    expect(await away.problem()).toMatchObject({ status: 503, code: 'unavailable' });
    expect(harness.gateway.stats.connections).toBe(0);
  });

  it('are held to the plan, of visitors too', async () => {
    const { users, harness } = await withUsers();
    users.visitors = { ...PLAN, plan: 'free', intervals: ['5m'], channels: 1 };
    const visitor = await open(harness, [LIVE, FIVE, 'status']);
    await visitor.until(() => visitor.all('error').length === 2);
    expect(visitor.all('error')).toMatchObject([
      { code: 'plan_limit', channel: LIVE, limit: 'intervals' },
      { code: 'plan_limit', channel: 'status', limit: 'channels' },
    ]);
    const token = users.accounts.token('alice', { entitlements: { ...PLAN, connections: 1 } });
    const first = await open(harness, [LIVE], { token });
    await first.until(() => first.all('subscribed').length === 1);
    const second = await open(harness, [LIVE], { token });
    expect(await second.closed()).toBe(1013);
    expect(second.all('error')).toMatchObject([{ code: 'plan_limit', limit: 'connections' }]);
  });

  it('end when the session does, and when the token expires', async () => {
    const { users, harness } = await withUsers();
    const [alice, bob] = [users.accounts.token('alice'), users.accounts.token('bob')];
    const ended = await open(harness, ['signals'], { token: alice });
    const expiring = await open(harness, ['signals'], { token: bob });
    await ended.until(() => ended.all('subscribed').length === 1);
    await expiring.until(() => expiring.all('subscribed').length === 1);
    users.accounts.end(alice);
    expect(await ended.closed()).toBe(4103);
    users.aheadMs = 900_001;
    harness.gateway.sweep();
    expect(await expiring.closed()).toBe(4104);
  });
});

describe('what is wrong with a request', () => {
  const nasty = fc.oneof(
    fc.constantFrom(
      '',
      ' ',
      '-1',
      '1.5',
      '1e3',
      '1001',
      'NaN',
      '٣',
      '%',
      '%00',
      '%ff',
      '../..',
      "'; --",
      '\u0000',
      'null',
    ),
    fc.constantFrom(
      'candles',
      'candles:',
      'candles:BTCUSDT',
      'candles:btcusdt:1m',
      'candles:BTCUSDT:2m',
      'CANDLES:X:1m',
    ),
    fc.constantFrom(
      '1.',
      '1.abc.',
      `1.${listOf([LIVE])}.`,
      `1.${listOf([LIVE])}.zz`,
      `1.${listOf([LIVE])}.zzzzzzzzzzz-1`,
    ),
    fc.string({ maxLength: 80, unit: 'binary' }),
  );

  it('is said in a problem, never with a 500, and opens nothing', async () => {
    const { harness } = await start('node');
    const good: Record<string, string> = { channels: LIVE, snapshot: '5', lastEventId: '' };
    const isGood = (name: string, value: string) =>
      (name === 'snapshot' && /^\d{1,6}$/.test(value) && Number(value) <= 1000) ||
      (name === 'lastEventId' && (value === '' || typeof parseEventId(value, [LIVE]) !== 'string'));
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('channels', 'snapshot', 'lastEventId', 'other'), nasty, async (name, value) => {
        fc.pre(!isGood(name, value));
        const query = new URLSearchParams({ ...good, [name]: value });
        const client = await ask(harness, `/v1/sse?${query}`);
        const { status, code, detail } = await client.problem();
        expect({ status, code }).toEqual({ status: 400, code: expect.stringMatching(/^[a-z_]+$/) });
        expect(detail).not.toBe('');
      }),
      { numRuns: 150 },
    );
    const named = async (query: string) => (await ask(harness, `/v1/sse${query}`)).problem();
    expect(await named('')).toMatchObject({ detail: expect.stringContaining('"channels" is missing') });
    expect(await named(`?channels=${LIVE},${LIVE}`)).toMatchObject({
      detail: expect.stringContaining('more than once'),
    });
    expect(await named(`?channels=${LIVE}&channels=${FIVE}`)).toMatchObject({ code: 'invalid_message' });
    expect(await named('?channels=nope')).toMatchObject({ code: 'bad_channel' });
    const many = Array.from({ length: 51 }, (_, i) => `candles:S${i}:1m`).join(',');
    expect(await named(`?channels=${many}`)).toMatchObject({ code: 'too_many_channels' });
    expect(await named(`?channels=${LIVE}&lastEventId=${formatEventId(listOf([FIVE]), [null])}`)).toMatchObject({
      code: 'bad_event_id',
      detail: expect.stringContaining('another list of channels'),
    });
    expect(harness.gateway.stats.connectionsTotal).toBe(0);
  }, 60_000);

  it('a place for the most channels is in the head of a request', async () => {
    const { harness } = await start('uws');
    const channels = Array.from({ length: 50 }, (_, i) => `candles:LONGNAME${i}:15m:closed`);
    const lastEventId = formatEventId(
      listOf(channels),
      channels.map(() => ({ epoch: 1767575600, seq: Number.MAX_SAFE_INTEGER })),
    );
    const client = await ask(harness, `/v1/sse?channels=${channels.join(',')}`, {
      'last-event-id': lastEventId,
      'user-agent': 'x'.repeat(150),
    });
    expect(client.status).toBe(200);
  });

  it('an id is read as it was written', () => {
    const at = fc.option(fc.record({ epoch: fc.nat(), seq: fc.maxSafeNat() }));
    fc.assert(
      fc.property(fc.array(at, { minLength: 1, maxLength: 50 }), (positions) => {
        const channels = positions.map((_, i) => `candles:S${i}:1m`);
        expect(parseEventId(formatEventId(listOf(channels), positions), channels)).toEqual(positions);
      }),
    );
  });
});

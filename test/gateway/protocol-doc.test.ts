import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/gateway/limits.js';
import { silentLog } from '../../src/kit/log.js';
import { CLOSE, ERROR_CODES } from '../../src/wire/codes.js';
import { clientMessage, LIMITS, type ServerMessage } from '../../src/wire/messages.js';
import type { TestClient } from './client.js';
import { Described } from './described.js';
import { Harness } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';
import { TestUsers } from './users.js';

const DOC = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

const described = new Described();

function examples(side: 'client' | 'server'): string[] {
  return [...DOC.matchAll(/```json (client|server)\n(.*?)```/gs)]
    .filter((match) => match[1] === side)
    .map((match) => (match[2] ?? '').trim());
}

const USER = '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f';

const REPLY_TO: Readonly<Record<string, string>> = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  list: 'channels',
  ping: 'pong',
  auth: 'authenticated',
  ack: 'acked',
};

describe('docs/protocol.md', () => {
  let harness: Harness<LossyBus>;
  let client: TestClient;
  const users = new TestUsers();
  beforeAll(async () => {
    users.accounts.token(USER, {}, 'cck_0198f0c2a1b27c3d8e4f5a6b7c8d9e0f_c2VjcmV0');
    users.signals.epoch = 1767575600;
    for (let i = 0; i < 4; i++) users.signals.publish(USER, i === 2 ? { source: 'rule', ruleId: USER } : {});
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    const limits = { heartbeatMs: 50, pongTimeoutMs: 3_600_000 };
    const bus = new LossyBus(market);
    harness = await Harness.over(bus, market, 'uws', limits, silentLog, users.clock, {
      users,
      replays: market.replays,
    });
    const status = { symbol: 'BTCUSDT', source: 'demo', synthetic: true, since: 1, lastTradeTime: null } as const;
    harness.bus.publishStatus([{ ...status, state: 'live' }]);
    client = await harness.client();
  });
  afterAll(() => harness.stop());

  it('has client examples that a server answers as documented, and server examples of the shape it answers with', async () => {
    for (const example of examples('client')) {
      described.check(JSON.parse(example));
      const message = clientMessage.parse(JSON.parse(example));
      const seen = client.messages.length;
      client.sendRaw(example);
      await client.until(
        (m) =>
          client.messages.indexOf(m) >= seen &&
          m.type === REPLY_TO[message.op] &&
          ('id' in m ? m.id : undefined) === message.id,
      );
    }
    expect(client.all('error')).toEqual([]);
    harness.bus.publish([...harness.market.update(), ...harness.market.close(), ...harness.market.correct(3)]);
    harness.bus.publish(harness.market.gap(1));
    harness.market.close();
    harness.bus.publish(harness.market.close());
    client.send({ op: 'subscribe', id: 6, channels: ['candles:BTCUSDT:2m'] });
    for (const type of ['gap', 'heartbeat', 'replay_end', 'resync', 'error', 'status', 'candle'] as const)
      await client.type(type);
    users.signals.publish(USER);
    await client.type('signal');
    users.accounts.setPlan(USER, { plan: 'free', historyDays: 0, intervals: ['5m', '1h'] });
    client.send({ op: 'subscribe', id: 8, channels: ['candles:BTCUSDT:1m'] });
    client.send({ op: 'subscribe', id: 9, channels: ['candles:BTCUSDT:5m'], snapshot: 5 });
    await client.until((m) => m.type === 'subscribed' && m.id === 9);
    users.aheadMs += 860_000;
    harness.gateway.sweep();
    for (const type of ['auth_expiring', 'unsubscribed', 'signals'] as const) await client.type(type);
    harness.bus.setUp(false);
    await client.until((m) => m.type === 'heartbeat' && m.stale === true);
    for (const message of client.messages) described.check(message);
    const documented = examples('server').map((example) => JSON.parse(example) as ServerMessage);
    for (const example of documented) described.check(example);
    const types = new Set(client.messages.map((m) => m.type));
    expect(new Set(documented.map((m) => m.type))).toEqual(types);
    expect(new Set(described.answers)).toEqual(types);
    for (const example of documented) {
      const real = client.messages.filter((m) => m.type === example.type).map((m) => Object.keys(m).join());
      expect(real).toContain(Object.keys(example).join());
    }
  });

  it('has every op, error code and close code', () => {
    const ops = examples('client').map((example) => clientMessage.parse(JSON.parse(example)).op);
    expect(new Set(ops)).toEqual(new Set(Object.keys(REPLY_TO)));
    expect(new Set(ops)).toEqual(new Set(described.requests));
    for (const [code, text] of Object.entries(ERROR_CODES)) expect(DOC).toContain(`| \`${code}\` | ${text} |`);
    for (const { code } of Object.values(CLOSE)) expect(DOC).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
  });

  it.each([
    ['size of a frame from the client', LIMITS.inboundBytes],
    ['channels in one message', LIMITS.channelsPerMessage],
    ['channels of a connection', DEFAULT_LIMITS.channelsPerConnection],
    ['messages of a connection', DEFAULT_LIMITS.messagesPerSecond],
    ['messages of a connection', DEFAULT_LIMITS.messageBurst],
    ['frames in a row that are no messages', DEFAULT_LIMITS.invalidInARow],
    ['token', LIMITS.tokenLength],
    ['tokens refused in a row', DEFAULT_LIMITS.authFailures],
    ['messages waiting while a token is verified', DEFAULT_LIMITS.waitingBytes],
    ['candles of a snapshot', LIMITS.snapshotCandles],
    ['candles of a resume', DEFAULT_LIMITS.resumeCandles],
    ['replays at a time', DEFAULT_LIMITS.replays],
    ['replays at a time', DEFAULT_LIMITS.replaysPerUser],
    ['replays at a time', DEFAULT_LIMITS.replaysPerConnection],
    ['speed of a replay', LIMITS.replaySpeed],
    ['connections', DEFAULT_LIMITS.connections],
    ['connections', DEFAULT_LIMITS.connectionsPerAddress],
  ])('states the limit: %s, %d', (what, limit) => {
    const row = DOC.split('\n').find((line) => line.startsWith(`| ${what} |`));
    expect(row).toMatch(new RegExp(`\\b${limit}\\b`));
  });

  it('states the limits of a source that is away', () => {
    expect(DEFAULT_LIMITS).toMatchObject({ watchMs: 1_000, catchUpMs: 3_000 });
    for (const text of ['again every second', 'after 3 s', 'up to 3 s']) expect(DOC).toContain(text);
  });

  it('states the limits of tokens', () => {
    expect(DEFAULT_LIMITS).toMatchObject({ expiryWarningMs: 60_000, waitingBytes: 64 * 1024, authFailures: 3 });
    for (const text of ['A minute before', 'up to 64 KiB', 'after the third']) expect(DOC).toContain(text);
  });

  it('states the limits of slow clients', () => {
    expect(DEFAULT_LIMITS).toMatchObject({
      lagBytes: 256 * 1024,
      pongTimeoutMs: 10_000,
      pingPeriodMs: 5_000,
      lagTimeoutMs: 30_000,
      lagsInARow: 5,
      maxBufferedBytes: 4 * 1024 * 1024,
      idleTimeoutMs: 60_000,
    });
    for (const text of ['256 KiB', '10 s', '30 s', '5 times', '4 MiB', 'every 5 s', '60 s'])
      expect(DOC).toContain(text);
  });
});

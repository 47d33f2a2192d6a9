import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/gateway/limits.js';
import { CLOSE, ERROR_CODES } from '../../src/wire/codes.js';
import { clientMessage, LIMITS, type ServerMessage } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import type { TestClient } from './client.js';
import { Harness } from './harness.js';
import { LossyBus } from './lossy-bus.js';
import { TestMarket } from './market.js';

const DOC = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

function examples(side: 'client' | 'server'): string[] {
  return [...DOC.matchAll(/```json (client|server)\n(.*?)```/gs)]
    .filter((match) => match[1] === side)
    .map((match) => (match[2] ?? '').trim());
}

const REPLY_TO: Readonly<Record<string, string>> = {
  subscribe: 'subscribed',
  unsubscribe: 'unsubscribed',
  list: 'channels',
  ping: 'pong',
};

describe('docs/protocol.md', () => {
  let harness: Harness<LossyBus>;
  let client: TestClient;
  beforeAll(async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    harness = await Harness.over(new LossyBus(market), market, 'uws', { heartbeatMs: 50 });
    const status = { symbol: 'BTCUSDT', source: 'demo', synthetic: true, since: 1, lastTradeTime: null } as const;
    harness.bus.publishStatus([{ ...status, state: 'live' }]);
    client = await harness.client();
  });
  afterAll(() => harness.stop());

  it('has client examples that a server answers as documented, and server examples of the shape it answers with', async () => {
    for (const example of examples('client')) {
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
    for (const type of ['gap', 'heartbeat', 'resync', 'error', 'status', 'candle'] as const) await client.type(type);
    harness.bus.setUp(false);
    await client.until((m) => m.type === 'heartbeat' && m.stale === true);
    for (const message of client.messages) serverMessage.parse(message);
    const documented = examples('server').map((example) => serverMessage.parse(JSON.parse(example)) as ServerMessage);
    const types = new Set(client.messages.map((m) => m.type));
    expect(new Set(documented.map((m) => m.type))).toEqual(types);
    for (const example of documented) {
      const real = client.messages.filter((m) => m.type === example.type).map((m) => Object.keys(m).join());
      expect(real).toContain(Object.keys(example).join());
    }
  });

  it('has every op, error code and close code', () => {
    const ops = examples('client').map((example) => clientMessage.parse(JSON.parse(example)).op);
    expect(new Set(ops)).toEqual(new Set(Object.keys(REPLY_TO)));
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
    ['candles of a snapshot', LIMITS.snapshotCandles],
    ['candles of a resume', DEFAULT_LIMITS.resumeCandles],
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

import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { assertLimits, DEFAULT_LIMITS } from '../../src/gateway/limits.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

/** Status and body of a refused upgrade. */
function refused(port: number, path: string, protocols: string[] = []): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
    socket.once('open', () => reject(new Error('it was accepted')));
    socket.once('error', () => {});
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
  });
}

describe.each(TRANSPORTS)('limits on %s', (transport) => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });
  const market = (): TestMarket => {
    const young = new TestMarket('BTCUSDT');
    young.closeMany(5);
    return young;
  };

  it('channels a connection', async () => {
    harness = await Harness.start(market(), transport, { channelsPerConnection: 2 });
    const client = await harness.client();
    const channels = ['candles:BTCUSDT:1m', 'candles:BTCUSDT:5m', 'status'];
    client.send({ op: 'subscribe', channels });
    expect(await client.type('error')).toMatchObject({
      code: 'too_many_channels',
      channel: 'status',
      message: 'the limit is 2 channels a connection',
    });
    client.send({ op: 'unsubscribe', channels: ['candles:BTCUSDT:5m'] });
    client.send({ op: 'subscribe', channels: ['status'] });
    await client.type('status');
  });

  it('messages a second: one reply, then, when it goes on, 4101', async () => {
    harness = await Harness.start(market(), transport, { messagesPerSecond: 1, messageBurst: 10 });
    const client = await harness.client();
    for (let i = 0; i < 15; i++) client.send({ op: 'ping', id: i });
    const error = await client.type('error');
    expect(error).toMatchObject({ code: 'rate_limited', message: expect.stringMatching(/1 messages a second \(10/) });
    for (let i = 0; i < 30; i++) client.send({ op: 'ping', id: i });
    expect(await client.closed()).toBe(4101);
    expect(client.all('error')).toHaveLength(1);
  });

  it('connections in all, and of an address', async () => {
    harness = await Harness.start(market(), transport, { connections: 3, connectionsPerAddress: 2 });
    const [first] = [await harness.client(), await harness.client()];
    expect(await refused(harness.port, '/v1/stream')).toMatchObject({
      status: 429,
      body: expect.stringContaining('the limit is 2 connections an address'),
    });
    first?.socket.close();
    await first?.closed();
    while (harness.gateway.stats.connections > 1) await immediate();
    await harness.client();
    await harness.stop();
    harness = await Harness.start(market(), transport, { connections: 1 });
    await harness.client();
    expect(await refused(harness.port, '/v1/stream')).toMatchObject({ status: 503 });
  });

  it('takes WebSockets on its path and with its subprotocols only', async () => {
    harness = await Harness.start(market(), transport);
    expect(await refused(harness.port, '/v2/stream')).toMatchObject({ status: 404 });
    const unknown = await refused(harness.port, '/v1/stream', ['graphql-ws']);
    expect(unknown).toMatchObject({ status: 400, body: expect.stringContaining('candlecast.v1.msgpack') });
  });

  it('drains with 1001, refuses newcomers, and ends in time', async () => {
    harness = await Harness.start(market(), transport);
    const clients = await Promise.all(Array.from({ length: 150 }, () => harness?.client()));
    await harness.gateway.drain(2000);
    for (const client of clients) expect(await client?.closed()).toBe(1001);
    expect(harness.gateway.stats.connections).toBe(0);
    await expect(harness.client()).rejects.toThrow();
  });
});

describe('draining, on uws', () => {
  // node:http closes idle connections itself when it stops listening.
  it('refuses with 503 and says when to come back who knocks on an open connection while it drains', async () => {
    const harness = await Harness.start(new TestMarket('BTCUSDT'));
    const tcp = connect(harness.port, '127.0.0.1');
    await once(tcp, 'connect');
    // The server has taken the connection once it has answered on it.
    tcp.write('GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n');
    await once(tcp, 'data');
    await harness.gateway.drain(200);
    const answered = once(tcp, 'data');
    tcp.write(
      'GET /v1/stream HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n' +
        'sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    const head = String((await answered)[0]).toLowerCase();
    expect(head).toMatch(/^http\/1.1 503 /);
    expect(head).toContain('retry-after: 1');
    tcp.destroy();
    await harness.stop();
  });
});

describe('limits', () => {
  it('must not contradict each other', () => {
    expect(() => assertLimits(DEFAULT_LIMITS)).not.toThrow();
    expect(() => assertLimits({ ...DEFAULT_LIMITS, lagBytes: 1 })).toThrow('replyBytes must be below lagBytes');
    expect(() => assertLimits({ ...DEFAULT_LIMITS, resumeCandles: 1e6 })).toThrow('full resume');
  });
});

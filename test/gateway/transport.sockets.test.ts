import { once } from 'node:events';
import { connect as tcpConnect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { problem } from '../../src/wire/http.js';
import { connect, KINDS, ManualClock, OPTIONS, Signal, startServer, stopAll, turn } from './transport-kit.js';

afterEach(stopAll);

describe.each(KINDS)('WebSocket over %s', (kind) => {
  test('an upgrade sees path, query, headers, protocols and address, and its data stays with the socket', async () => {
    let seen: unknown;
    const { join } = await startServer(kind, {
      upgrade(r) {
        seen = [r.path, r.query.get('a'), r.header('x-key'), r.protocols, r.remoteAddress, r.header('absent')];
        return { data: { name: 'mine' }, protocol: 'b' };
      },
    });
    const { client, socket } = await join('/ws/btc@kline?a=1', ['a', 'b'], { headers: { 'X-Key': 'K' } });
    expect(seen).toEqual(['/ws/btc@kline', '1', 'K', ['a', 'b'], '127.0.0.1', undefined]);
    expect(socket.data).toEqual({ name: 'mine' });
    expect(socket.remoteAddress).toBe('127.0.0.1');
    expect(client.ws.protocol).toBe('b');
    expect(client.ws.extensions).toBe('');
  });

  test('no protocol on offer and none taken: none is answered', async () => {
    const { port } = await startServer(kind, { upgrade: () => ({ data: { name: '' }, protocol: null }) });
    const none = await connect(port);
    expect(none.ws.protocol).toBe('');
  });

  test('a refused upgrade, and one that throws, get an HTTP answer and no socket', async () => {
    const { port, sockets, log } = await startServer(kind, {
      upgrade(r) {
        if (r.path === '/throw') throw new Error('secret');
        return { refuse: problem(429, 'Too Many', 'wait', {}, { 'retry-after': '7' }) };
      },
    });
    for (const [path, status] of [
      ['/no', 429],
      ['/throw', 500],
    ] as const) {
      const ws = new WebSocket(`ws://127.0.0.1:${port}${path}`);
      const [, response] = await once(ws, 'unexpected-response');
      expect(response.statusCode).toBe(status);
      expect(response.headers['content-type']).toBe('application/problem+json');
      expect(response.headers['retry-after']).toBe(status === 429 ? '7' : undefined);
      response.resume();
      await once(response, 'end');
      ws.on('error', () => undefined);
      ws.terminate();
    }
    expect(sockets).toHaveLength(0);
    expect(log.lines.map((line) => line.level)).toEqual(['error']);
  });

  test('text and binary go both ways', async () => {
    const got: (string | null)[] = [];
    const { join } = await startServer(kind, {
      message(socket, text) {
        got.push(text);
        if (text === null) socket.send(Uint8Array.of(1, 2, 255));
        else socket.send(text);
      },
    });
    const { client } = await join();
    const long = 'ü'.repeat(OPTIONS.maxInboundBytes / 2);
    client.ws.send('{"op":"ping"}');
    client.ws.send(long);
    client.ws.send(Uint8Array.of(9));
    client.ws.send('');
    await client.received(4);
    expect(got).toEqual(['{"op":"ping"}', long, null, '']);
    expect(client.frames).toEqual(['{"op":"ping"}', long, Buffer.from([1, 2, 255]), '']);
  });

  test.each([0, 125, 126, 65_535, 65_536, 150_000])(
    'a frame of %i bytes arrives whole, sent and published',
    async (size) => {
      const { join, transport } = await startServer(kind, {});
      const { client, socket } = await join();
      socket.subscribe('t');
      const bytes = Buffer.alloc(size, 7);
      socket.send('x'.repeat(size));
      transport.publish('t', bytes);
      await client.received(2);
      expect(client.frames[0]).toBe('x'.repeat(size));
      expect(bytes.equals(client.frames[1] as Buffer)).toBe(true);
    },
  );

  test.each([1, 1_000, 100_000])(
    'a message %i bytes over the limit is closed with 1009 and does not get through',
    async (over) => {
      const got: unknown[] = [];
      const { join, closes, closed } = await startServer(kind, { message: (_, text) => got.push(text) });
      const { client } = await join();
      client.ws.send('x'.repeat(OPTIONS.maxInboundBytes + over));
      expect(await client.closed).toMatchObject({ code: 1009 });
      await closed(1);
      expect(closes.map((close) => close.code)).toEqual([1009]);
      expect(got).toEqual([]);
    },
  );

  test('bytes that are no frames end that connection only', async () => {
    const { join, port, sockets, closed, transport } = await startServer(kind, {});
    const { client, socket } = await join();
    socket.subscribe('t');
    const tcp = tcpConnect(port, '127.0.0.1');
    tcp.write('GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n');
    tcp.write('Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n');
    await once(tcp, 'data');
    expect(sockets).toHaveLength(2);
    tcp.on('error', () => undefined);
    tcp.write(Buffer.alloc(500, 0xff));
    tcp.resume();
    await closed(1);
    transport.publish('t', 'still here');
    await client.received(1);
    tcp.destroy();
  });

  test('a ping payload comes back as pong, behind what was sent before it', async () => {
    const pongs: string[] = [];
    const changes = new Signal();
    const { join, transport } = await startServer(kind, {
      pong(_, payload) {
        pongs.push(payload);
        changes.fire();
      },
    });
    const { client, socket } = await join();
    const atPing: number[] = [];
    client.ws.on('ping', () => atPing.push(client.frames.length));
    socket.subscribe('t');
    transport.publish('t', 'a');
    socket.ping('17:1');
    transport.publish('t', 'b');
    socket.ping('17:2');
    await changes.until(() => pongs.length === 2);
    expect(pongs).toEqual(['17:1', '17:2']);
    expect(atPing).toEqual([1, 2]);
  });

  test("the client's ping is answered", async () => {
    const { join } = await startServer(kind);
    const { client } = await join();
    client.ws.ping('hello');
    const [payload] = await once(client.ws, 'pong');
    expect(String(payload)).toBe('hello');
  });

  test('a peer silent for the idle time is cut; messages, pings and pongs keep one alive, and sends do not', async () => {
    const clock = new ManualClock();
    const heard = new Signal();
    let beats = 0;
    const { join, closed, closes } = await startServer(kind, {
      clock,
      message: () => heard.fire(),
      pong: () => heard.fire(),
    });
    const silent = await join('/silent', [], { autoPong: false });
    const talker = await join('/talker');
    const ponger = await join('/ponger');
    for (beats = 0; beats < 20; beats++) {
      let said = 0;
      const both = heard.until(() => ++said === 2);
      talker.client.ws.send('x');
      ponger.socket.ping('p');
      await both;
      silent.socket.send('are you there');
      clock.beat();
      if (beats < 8) expect(closes).toHaveLength(0);
    }
    await closed(1);
    expect(closes.map((close) => [close.socket.data.name, close.code])).toEqual([['/silent', 1006]]);
    expect(await silent.client.closed).toMatchObject({ code: 1006 });
  });

  test('close sends what is buffered, then code and reason; the handler hears of it once', async () => {
    const { join, closes, transport } = await startServer(kind, {});
    const { client, socket } = await join();
    socket.subscribe('t');
    socket.send('one');
    transport.publish('t', 'two');
    socket.close(4001, 'slow consumer');
    expect(closes).toHaveLength(1);
    socket.close(4002, 'again');
    expect(await client.closed).toEqual({ code: 4001, reason: 'slow consumer' });
    expect(client.frames).toEqual(['one', 'two']);
    await turn();
    expect(closes).toMatchObject([{ code: 4001 }]);
  });

  test("the client's close code is reported", async () => {
    const { join, closes, closed } = await startServer(kind, {});
    const { client } = await join();
    client.ws.close(4000, 'bye');
    await closed(1);
    expect(closes).toMatchObject([{ code: 4000 }]);
    expect(await client.closed).toEqual({ code: 4000, reason: 'bye' });
  });

  test('after its close, by whomever, every member is harmless', async () => {
    const { join, closed, closes, transport } = await startServer(kind, {});
    const ways: ((pair: Awaited<ReturnType<typeof join>>) => void)[] = [
      ({ socket }) => socket.close(1000, ''),
      ({ socket }) => socket.terminate(),
      ({ client }) => client.ws.close(),
      ({ client }) => client.ws.terminate(),
    ];
    for (const [i, end] of ways.entries()) {
      const pair = await join(`/${i}`);
      end(pair);
      await closed(i + 1);
      const { socket } = pair;
      socket.subscribe('t');
      transport.publish('t', 'x');
      socket.unsubscribe('t');
      socket.ping('p');
      socket.close(1000, '');
      socket.terminate();
      expect(socket.send('x')).toBe('closed');
      expect(socket.bufferedBytes()).toBe(0);
      expect(socket.data).toEqual({ name: `/${i}` });
      expect(socket.remoteAddress).toBe('127.0.0.1');
    }
    await turn();
    expect(closes).toHaveLength(ways.length);
  });

  test('a socket may be closed from within its own open and message handlers', async () => {
    const { join, port, closed } = await startServer(kind, {
      open: (socket) => socket.data.name === '/open' && socket.close(4000, 'at once'),
      message: (socket) => socket.terminate(),
    });
    const early = await connect(port, '/open');
    expect(await early.closed).toMatchObject({ code: 4000 });
    const { client } = await join('/other');
    client.ws.send('x');
    await closed(2);
    expect(await client.closed).toMatchObject({ code: 1006 });
  });

  test('1,000 connections come and go and nothing of them stays', async () => {
    const refs: WeakRef<object>[] = [];
    const {
      transport,
      port,
      sockets,
      closes: reported,
      closed,
    } = await startServer(kind, {
      upgrade: (r) => ({ data: { name: r.path }, protocol: null }),
      open(socket) {
        refs.push(new WeakRef(socket));
        socket.subscribe('all');
        socket.subscribe(`own:${refs.length}`);
      },
    });
    for (let i = 0; i < 20; i++) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => connect(port)));
      transport.publish('all', 'x');
      await Promise.all(batch.map((client) => client.received(1)));
      for (const { ws } of batch) ws.terminate();
      await Promise.all(batch.map((client) => client.closed));
    }
    await closed(1000);
    sockets.length = 0;
    reported.length = 0;
    setFlagsFromString('--expose-gc');
    const gc: () => void = runInNewContext('gc');
    for (let i = 0; i < 5; i++) {
      await turn();
      gc();
    }
    // The last ones may still be in a register or a pooled request object.
    expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(20);
  });
});

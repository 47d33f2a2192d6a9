import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { chooseTransport } from '../../src/gateway/transport/create.js';
import { PortInUseError } from '../../src/gateway/transport/listen.js';
import { addressText } from '../../src/gateway/transport/request.js';
import type { SocketHandlers } from '../../src/gateway/transport/transport.js';
import { UserError } from '../../src/kit/errors.js';
import { json } from '../../src/wire/http.js';
import { connect, KINDS, type Kind, ListLog, ManualClock, OPTIONS, startServer, stopAll } from './transport-kit.js';

afterEach(stopAll);

const mute: SocketHandlers<null> = {
  upgrade: () => ({ data: null, protocol: null }),
  open() {},
  message() {},
  pong() {},
  drain() {},
  close() {},
};

async function freePort(): Promise<number> {
  const tcp = createServer().listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const address = tcp.address();
  tcp.close();
  await once(tcp, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

async function make(kind: Kind) {
  const create = await chooseTransport(kind, new ListLog(), new ManualClock());
  return create((r) => json(200, { from: r.remoteAddress }), mute, OPTIONS);
}

describe.each(KINDS)('the life of a transport over %s', (kind) => {
  test('it names its kind', async () => {
    expect((await make(kind)).kind).toBe(kind);
  });

  test('a port in use is named, whoever has it', async () => {
    const first = await startServer(kind, { port: await freePort() });
    const tcp = createServer().listen(0, '127.0.0.1');
    await once(tcp, 'listening');
    const address = tcp.address();
    const taken = typeof address === 'object' && address !== null ? address.port : 0;
    for (const port of [first.port, taken]) {
      const second = await make(kind);
      const error: unknown = await second.listen('127.0.0.1', port).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(PortInUseError);
      expect(error).toBeInstanceOf(UserError);
      expect(error).toMatchObject({ host: '127.0.0.1', port });
      expect(String(error)).toContain(`Port ${port} on 127.0.0.1 is in use`);
      await second.close();
    }
    tcp.close();
  });

  test('the two kinds exclude each other, and a wildcard excludes an address', async () => {
    const first = await startServer(kind, { port: await freePort() });
    for (const other of KINDS) {
      const second = await make(other);
      await expect(second.listen('0.0.0.0', first.port)).rejects.toBeInstanceOf(PortInUseError);
      await second.close();
    }
  });

  test('a host that is not of this machine is a clear error', async () => {
    const transport = await make(kind);
    await expect(transport.listen('192.0.2.1', 0)).rejects.toThrow(/192\.0\.2\.1 is no address of this machine/);
    await transport.close();
  });

  test.each(['127.0.0.1', '0.0.0.0', '::', 'localhost'])('it listens on %s', async (host) => {
    const transport = await make(kind);
    const port = await transport.listen(host, 0);
    const name = host === 'localhost' ? 'localhost' : '127.0.0.1';
    const answer = await fetch(`http://${name}:${port}/`);
    expect(await answer.json()).toEqual({ from: expect.stringMatching(/^(127\.0\.0\.1|::1)$/) });
    await transport.close();
  });

  test('after stopListening nobody new gets in and those inside go on; the port is free again', async () => {
    const { join, port, transport } = await startServer(kind, {
      port: await freePort(),
      message: (s, text) => s.send(`echo ${text}`),
    });
    const { client, socket } = await join();
    socket.subscribe('t');
    transport.stopListening();
    transport.stopListening();
    await expect(connect(port)).rejects.toThrow('ECONNREFUSED');
    client.ws.send('x');
    transport.publish('t', 'y');
    await client.received(2);
    expect(new Set(client.frames)).toEqual(new Set(['echo x', 'y']));
    const next = await make(kind);
    expect(await next.listen('127.0.0.1', port)).toBe(port);
    await next.close();
  });

  test('a restart gets its port although the connections of the process before linger', async () => {
    const { join, port, transport } = await startServer(kind, { port: await freePort() });
    const { client, socket } = await join();
    socket.close(1001, 'going away');
    await client.closed;
    await transport.close();
    const next = await make(kind);
    expect(await next.listen('127.0.0.1', port)).toBe(port);
    await next.close();
  });

  test('close cuts all that is left, tells each handler once, stops its timer, and may be called again', async () => {
    const clock = new ManualClock();
    const server = await startServer(kind, { clock });
    const pairs = [await server.join(), await server.join(), await server.join()];
    const ended = pairs[2];
    ended?.client.ws.pause();
    ended?.socket.close(1001, 'going away');
    const keepAlive = await fetch(`http://127.0.0.1:${server.port}/`);
    await keepAlive.text();
    expect(clock.timers).toBe(1);
    await server.transport.close();
    await server.transport.close();
    ended?.client.ws.resume();
    await Promise.all(pairs.map(({ client }) => client.closed));
    expect(server.closes.map((close) => close.code).sort()).toEqual([1001, 1006, 1006]);
    expect(clock.timers).toBe(0);
    server.transport.publish('t', 'x');
    server.transport.stopListening();
    await expect(connect(server.port)).rejects.toThrow('ECONNREFUSED');
  });

  test('close before listen is fine', async () => {
    await (await make(kind)).close();
  });
});

test('over uws, shared listeners take connections side by side; what one leaves, the other takes', async () => {
  const taken = { first: 0, second: 0 };
  const open = async (name: keyof typeof taken) => {
    const create = await chooseTransport('uws', new ListLog(), new ManualClock(), { listening: 'shared' });
    return create(() => json(200, { name }), { ...mute, open: () => void taken[name]++ }, OPTIONS);
  };
  const first = await open('first');
  const second = await open('second');
  const port = await first.listen('127.0.0.1', await freePort());
  expect(await second.listen('127.0.0.1', port)).toBe(port);
  for (let i = 0; i < 40; i++) await connect(port);
  expect(taken.first).toBeGreaterThan(0);
  expect(taken.second).toBeGreaterThan(0);
  expect(taken.first + taken.second).toBe(40);
  const before = taken.first;
  first.stopListening();
  for (let i = 0; i < 10; i++) await connect(port);
  expect(taken).toEqual({ first: before, second: 50 - before });
  await first.close();
  await second.close();
});

describe('the choice of a transport', () => {
  const cannotLoad = () => Promise.reject(new Error('only glibc\n\nError: no such file'));

  test('auto takes uWebSockets.js where it loads, without a word', async () => {
    const log = new ListLog();
    const transport = (await chooseTransport('auto', log, new ManualClock()))(() => json(200, {}), mute, OPTIONS);
    expect(transport.kind).toBe('uws');
    expect(log.lines).toEqual([]);
    await transport.close();
  });

  test('auto falls back to node with exactly one warning that says why', async () => {
    const log = new ListLog();
    const create = await chooseTransport('auto', log, new ManualClock(), { load: cannotLoad });
    const transport = create(() => json(200, {}), mute, OPTIONS);
    expect(transport.kind).toBe('node');
    expect(log.lines).toMatchObject([{ level: 'warn', fields: { reason: 'only glibc Error: no such file' } }]);
    await transport.close();
  });

  test('uws insists', async () => {
    await expect(chooseTransport('uws', new ListLog(), new ManualClock(), { load: cannotLoad })).rejects.toThrow(
      UserError,
    );
  });

  test('node never tries to load', async () => {
    const log = new ListLog();
    const load = () => {
      throw new Error('tried');
    };
    await chooseTransport('node', log, new ManualClock(), { load });
    expect(log.lines).toEqual([]);
  });
});

test.each([
  [[127, 0, 0, 1], '127.0.0.1'],
  [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 1, 2, 3], '10.1.2.3'],
  [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], '2001:db8::1'],
  [[], ''],
])('address %j is %s', (bytes, text) => {
  expect(addressText(Uint8Array.from(bytes))).toBe(text);
});

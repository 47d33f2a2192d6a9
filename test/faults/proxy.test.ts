import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FaultProxy } from './kit/proxy.js';
import { Rewriter } from './kit/rewrite.js';

/** Echoes what it gets. */
let server: Server;
let proxy: FaultProxy;
const sockets: Socket[] = [];

beforeEach(async () => {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await FaultProxy.to({ port: (server.address() as AddressInfo).port });
});
afterEach(async () => {
  await proxy.stop();
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

class Client {
  received = Buffer.alloc(0);
  error: string | null = null;
  closed = false;
  #changed: (() => void)[] = [];

  private constructor(readonly socket: Socket) {
    sockets.push(socket);
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      this.#wake();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
    });
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port = proxy.port): Promise<Client> {
    const client = new Client(connect({ port, host: '127.0.0.1' }));
    await new Promise<void>((resolve) => client.socket.once('connect', () => resolve()).once('error', () => resolve()));
    return client;
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  async echo(text: string): Promise<string> {
    const before = this.received.length;
    this.socket.write(text);
    await this.until(() => this.received.length >= before + text.length || this.closed);
    return this.received.subarray(before).toString();
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}

describe('a fault proxy', () => {
  it('forwards both ways, and the end of a stream', async () => {
    const client = await Client.connect();
    const big = 'x'.repeat(3_000_000);
    expect(await client.echo(big)).toBe(big);
    client.socket.end();
    await client.until(() => client.closed);
    expect(client.error).toBeNull();
  });

  it('leads to a Unix socket too', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'candlecast-proxy-'));
    const path = join(directory, 'socket');
    const unix = createServer((socket) => socket.end('from the socket'));
    await new Promise<void>((resolve) => unix.listen(path, resolve));
    proxy.target = { path };
    const client = await Client.connect();
    await client.until(() => client.received.length > 0);
    expect(client.received.toString()).toBe('from the socket');
    await new Promise((resolve) => unix.close(resolve));
    await rm(directory, { recursive: true });
  });

  it('delays', async () => {
    const client = await Client.connect();
    proxy.latency(60);
    const started = performance.now();
    expect(await client.echo('ping')).toBe('ping');
    expect(performance.now() - started).toBeGreaterThanOrEqual(115);
  });

  it('is slow', async () => {
    const client = await Client.connect();
    proxy.bandwidth(1_000_000, 'down');
    const started = performance.now();
    await client.echo('x'.repeat(200_000));
    expect(performance.now() - started).toBeGreaterThanOrEqual(150);
  });

  it('holds everything, one way or both, and delivers it when it heals', async () => {
    const client = await Client.connect();
    const other = await Client.connect();
    expect(await other.echo('a')).toBe('a');
    proxy.blackhole('down');
    client.socket.write('held');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(client.received.length).toBe(0);
    const late = await Client.connect();
    expect(late.error).toBeNull();
    await proxy.heal();
    await client.until(() => client.received.length === 4);
    expect(client.received.toString()).toBe('held');
    expect(await late.echo('late')).toBe('late');
  });

  it('resets what stands, and takes new connections', async () => {
    const client = await Client.connect();
    await client.echo('a');
    proxy.reset();
    await client.until(() => client.closed);
    expect(client.error).toBe('ECONNRESET');
    expect(proxy.connections).toBe(0);
    expect(await (await Client.connect()).echo('again')).toBe('again');
  });

  it('refuses new connections until it heals, at the same port', async () => {
    const client = await Client.connect();
    await proxy.refuse();
    expect((await Client.connect()).error).toBe('ECONNREFUSED');
    expect(await client.echo('still')).toBe('still');
    await proxy.heal();
    expect(await (await Client.connect()).echo('b')).toBe('b');
  });

  it('cuts after so many bytes', async () => {
    const client = await Client.connect();
    proxy.cutAfter(10);
    client.socket.write('x'.repeat(100));
    await client.until(() => client.closed);
    expect(client.received.length).toBeLessThanOrEqual(10);
    await proxy.heal();
    expect(await (await Client.connect()).echo('y'.repeat(100))).toHaveLength(100);
  });

  it('corrupts one byte', async () => {
    const client = await Client.connect();
    proxy.corruptAfter(2);
    await client.echo('aaaaaa');
    expect([...client.received]).toEqual([97, 97, ~97 & 0xff, 97, 97, 97]);
    expect(await client.echo('bb')).toBe('bb');
  });

  it('replaces text by text of the same length, wherever the chunks end', async () => {
    const client = await Client.connect();
    proxy.replace('redis_version:7', 'redis_version:5');
    client.socket.write('# Server redis_ver');
    await client.until(() => client.received.length >= 9);
    client.socket.write('sion:7.0 redis');
    await client.until(() => client.received.length === 32);
    expect(client.received.toString()).toMatch(/^# Server redis_version:[57]\.0 redis$/);
    expect(await client.echo(' redis_version:7')).toBe(' redis_version:5');
    expect(() => proxy.replace('a', 'bb')).toThrow(RangeError);
  });
});

describe('replacing in a stream', () => {
  const text = 'xx redis_version:7.2 redis_version:7.4 redis_versio';
  const whole = text.replaceAll('redis_version:7', 'redis_version:5');
  it.each([1, 2, 3, 7, 15, 16, 40, 100])('in chunks of %i bytes', (size) => {
    const rewriter = new Rewriter(Buffer.from('redis_version:7'), Buffer.from('redis_version:5'));
    let out = '';
    for (let at = 0; at < text.length; at += size) out += rewriter.push(Buffer.from(text.slice(at, at + size)));
    expect(out + rewriter.flush()).toBe(whole);
  });
});

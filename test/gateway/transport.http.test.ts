import { once } from 'node:events';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { type Socket as TcpSocket, connect as tcpConnect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type HttpRequest, json } from '../../src/wire/http.js';
import { KINDS, OPTIONS, Signal, startServer, stopAll } from './transport-kit.js';

afterEach(stopAll);

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

function call(port: number, method: string, path: string, body = '', headers: Record<string, string> = {}) {
  return new Promise<Answer>((resolve, reject) => {
    const req = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('end', () => {
        resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks).toString() });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

async function raw(port: number, text: string): Promise<TcpSocket> {
  const tcp = tcpConnect(port, '127.0.0.1');
  tcp.on('error', () => undefined);
  await once(tcp, 'connect');
  tcp.write(text);
  return tcp;
}

const echo = (request: HttpRequest) =>
  json(200, {
    method: request.method,
    path: request.path,
    a: request.query.getAll('a'),
    header: request.header('x-some'),
    body: Buffer.from(request.body).toString(),
    from: request.remoteAddress,
  });

describe.each(KINDS)('HTTP over %s', (kind) => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])(
    '%s on any path reaches the handler',
    async (method) => {
      const { port } = await startServer(kind, { http: echo });
      const body = method === 'GET' || method === 'OPTIONS' || method === 'DELETE' ? '' : 'héllo';
      const answer = await call(port, method, '/v1/any/thing?a=1&a=%20x', body, { 'X-Some': 'Yes' });
      expect(answer.status).toBe(200);
      expect(JSON.parse(answer.body)).toEqual({
        method,
        path: '/v1/any/thing',
        a: ['1', ' x'],
        header: 'Yes',
        body,
        from: '127.0.0.1',
      });
    },
  );

  test('a client’s address is what the trusted proxies say, and nothing without them', async () => {
    const from = async (trustedProxies: number, forwarded: string) => {
      const { port } = await startServer(kind, { http: echo, options: { trustedProxies } });
      const answer = await call(port, 'GET', '/x', '', { 'X-Forwarded-For': forwarded });
      return JSON.parse(answer.body).from;
    };
    expect(await from(0, '10.0.0.1')).toBe('127.0.0.1');
    expect(await from(1, '6.6.6.6, 10.0.0.1')).toBe('10.0.0.1');
    expect(await from(2, '6.6.6.6, ::ffff:10.0.0.1, 10.0.0.2')).toBe('10.0.0.1');
    expect(await from(3, '10.0.0.1')).toBe('10.0.0.1');
    expect(await from(1, 'unknown')).toBe('127.0.0.1');
  });

  test('HEAD is answered like GET, without the body', async () => {
    const { port } = await startServer(kind, { http: echo });
    const get = await call(port, 'GET', '/x');
    const head = await call(port, 'HEAD', '/x');
    expect(head.status).toBe(200);
    expect(head.body).toBe('');
    expect(head.headers['content-length']).toBe(String(Buffer.byteLength(get.body)));
  });

  test('204 and 304 carry no body, binary bodies arrive whole', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const { port } = await startServer(kind, {
      http: (r) => ({ status: Number(r.path.slice(1)), headers: {}, body: r.path === '/200' ? bytes : '' }),
    });
    expect(await call(port, 'GET', '/204')).toMatchObject({ status: 204, body: '' });
    expect(await call(port, 'GET', '/304')).toMatchObject({ status: 304, body: '' });
    const answer = await call(port, 'GET', '/200');
    expect(answer.body).toBe(Buffer.from(bytes).toString());
  });

  test('a body is taken up to the limit, declared or chunked, and answered with 413 above it', async () => {
    const { port } = await startServer(kind, { http: echo });
    const fits = 'x'.repeat(OPTIONS.maxBodyBytes);
    expect((await call(port, 'POST', '/x', fits)).status).toBe(200);
    expect((await call(port, 'POST', '/x', fits, { 'transfer-encoding': 'chunked' })).status).toBe(200);
    for (const headers of [{}, { 'transfer-encoding': 'chunked' }]) {
      const over = await call(port, 'POST', '/x', `${fits}y`, headers);
      expect(over.status).toBe(413);
      expect(over.headers['content-type']).toBe('application/problem+json');
      expect(JSON.parse(over.body).detail).toContain('10000 bytes');
    }
    expect((await call(port, 'POST', '/x', 'z'.repeat(2_000_000))).status).toBe(413);
  });

  test('X-Request-Id is echoed, or made where it is missing or unprintable', async () => {
    const seen: (string | undefined)[] = [];
    const { port } = await startServer(kind, {
      http: (r) => {
        seen.push(r.header('x-request-id'));
        return json(200, {});
      },
    });
    expect((await call(port, 'GET', '/', '', { 'x-request-id': 'abc-1' })).headers['x-request-id']).toBe('abc-1');
    const made = (await call(port, 'GET', '/')).headers['x-request-id'];
    expect(made).toMatch(/^[0-9a-f-]{36}$/);
    const replaced = (await call(port, 'GET', '/', '', { 'x-request-id': 'a b' })).headers['x-request-id'];
    expect(replaced).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen).toEqual(['abc-1', made, replaced]);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('secret');
      },
    ],
    ['rejects', () => Promise.reject(new Error('secret'))],
  ])('a handler that %s gives a logged 500 that does not tell why', async (_, http) => {
    const { port, log } = await startServer(kind, { http });
    const answer = await call(port, 'GET', '/x', '', { 'x-request-id': 'r1' });
    expect(answer.status).toBe(500);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(answer.body)).toMatchObject({ status: 500, requestId: 'r1' });
    expect(answer.body).not.toContain('secret');
    expect(log.lines).toMatchObject([{ level: 'error', fields: { requestId: 'r1', path: '/x' } }]);
  });

  test('line breaks in a header value cannot add a header', async () => {
    const { port } = await startServer(kind, { http: () => json(200, {}, { 'x-a': 'b\r\nx-evil: 1' }) });
    const { headers } = await call(port, 'GET', '/');
    expect(headers['x-evil']).toBeUndefined();
    expect(headers['x-a']).toBe('b  x-evil: 1');
  });

  test('a request aborted in its body or while its answer is made harms nobody', async () => {
    const calls: ((value: ReturnType<typeof json>) => void)[] = [];
    const changes = new Signal();
    const { port } = await startServer(kind, {
      http: (r) => {
        if (r.path === '/fast') return json(200, {});
        return new Promise((resolve) => {
          calls.push(resolve);
          changes.fire();
        });
      },
    });
    const inBody = await raw(port, 'POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly this');
    inBody.destroy();
    const waiting = await raw(port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
    await changes.until(() => calls.length === 1);
    waiting.destroy();
    await once(waiting, 'close');
    expect((await call(port, 'GET', '/fast')).status).toBe(200);
    calls[0]?.(json(200, { late: true }));
    expect((await call(port, 'GET', '/fast')).status).toBe(200);
    expect(calls).toHaveLength(1);
  });

  test('many concurrent requests, slow and fast mixed, get each their own answer', async () => {
    const { port } = await startServer(kind, {
      http: async (r) => {
        if (Number(r.query.get('a')) % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
        return echo(r);
      },
    });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, i) => call(port, 'POST', `/p/${i}?a=${i}`, `body ${i}`)),
    );
    answers.forEach((answer, i) => {
      expect(JSON.parse(answer.body)).toMatchObject({ path: `/p/${i}`, body: `body ${i}` });
    });
  });

  test('bytes that are no HTTP end that connection only', async () => {
    const { port } = await startServer(kind, { http: echo });
    for (const garbage of ['\x00\xff\x17 garbage\r\n\r\n', '\r\n\r\n\r\n\r\n', 'GET\r\n\r\n']) {
      const tcp = await raw(port, garbage);
      tcp.resume();
      tcp.end();
      await once(tcp, 'close');
    }
    expect((await call(port, 'GET', '/x')).status).toBe(200);
  });
});

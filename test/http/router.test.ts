import { expect, test } from 'vitest';
import { healthRoutes } from '../../src/http/health.js';
import { createRouter } from '../../src/http/router.js';
import { symbolsRoute } from '../../src/http/symbols.js';
import { tradesRoute } from '../../src/http/trades.js';
import { json } from '../../src/wire/http.js';
import { bodyOf, request } from './requests.js';

const status = { source: 'demo', synthetic: true, state: 'live', since: 1, lastTradeTime: null } as const;
let reasons: string[] = [];
let isDraining = false;
const router = createRouter([
  symbolsRoute({
    symbols: () => [
      { symbol: 'B', ...status },
      { symbol: 'A', ...status },
    ],
  }),
  tradesRoute(null),
  ...healthRoutes({ notReady: () => reasons, isDraining: () => isDraining }),
  { method: 'GET', path: '/', handle: () => json(200, 'page') },
  { method: 'GET', path: '/v1/things/{id}', handle: (_, { id }) => json(200, id) },
  { method: 'DELETE', path: '/v1/things/{id}', handle: (_, { id }) => json(200, `gone ${id}`) },
  { method: 'POST', path: '/v1/things/{id}/parts/{part}', handle: (_, parameters) => json(200, parameters) },
  { method: 'GET', path: '/v1/things/all', handle: () => json(200, 'every') },
]);

test('symbols, by name, marked as synthetic where they are', async () => {
  const response = await router(request('GET', '/v1/symbols'));
  expect(response.status).toBe(200);
  expect(bodyOf(response)).toEqual({
    symbols: [
      { symbol: 'A', ...status },
      { symbol: 'B', ...status },
    ],
  });
});

test('no such path', async () => {
  const response = await router(request('GET', '/v1/nothing'));
  expect(response.status).toBe(404);
  expect(response.headers['content-type']).toBe('application/problem+json');
});

test('a wrong method is told the right ones', async () => {
  const response = await router(request('DELETE', '/v1/symbols'));
  expect([response.status, response.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS']);
  expect((await router(request('GET', '/v1/trades'))).headers.allow).toBe('POST, OPTIONS');
});

test('HEAD answers as GET without a body', async () => {
  const response = await router(request('HEAD', '/v1/symbols'));
  expect([response.status, response.body]).toEqual([200, '']);
});

test('any web page may read the API, none may write to it', async () => {
  expect((await router(request('GET', '/v1/symbols'))).headers['access-control-allow-origin']).toBe('*');
  expect((await router(request('GET', '/v1/nothing'))).headers['access-control-allow-origin']).toBe('*');
  expect((await router(request('GET', '/'))).headers['access-control-allow-origin']).toBeUndefined();
  const read = await router(request('OPTIONS', '/v1/symbols'));
  expect([read.status, read.headers['access-control-allow-methods']]).toEqual([204, 'GET, HEAD']);
  const write = await router(request('OPTIONS', '/v1/trades'));
  expect(write.headers['access-control-allow-methods']).toBeUndefined();
  const post = await router(request('POST', '/v1/trades'));
  expect(post.headers['access-control-allow-origin']).toBeUndefined();
});

test('alive and ready are two things', async () => {
  expect((await router(request('GET', '/readyz'))).status).toBe(200);
  reasons = ['history is being loaded'];
  const alive = async () => {
    const { status, body } = await router(request('GET', '/healthz'));
    return [status, String(body)];
  };
  expect(await alive()).toEqual([200, '{"status":"ok"}']);
  isDraining = true;
  expect(await alive()).toEqual([200, '{"status":"draining"}']);
  const response = await router(request('GET', '/readyz'));
  expect([response.status, bodyOf(response)]).toEqual([503, { status: 'not ready', reasons }]);
});

test('two routes for one path are a mistake of ours', () => {
  const route = { method: 'GET', path: '/', handle: () => json(200, 1) } as const;
  expect(() => createRouter([route, route])).toThrow('two routes for GET /');
});

test('parts of a path are handed on, decoded; a path without them wins', async () => {
  const answer = async (method: string, path: string) => {
    const response = await router({ ...request(method, 'http://localhost/'), path });
    return response.status === 200 ? bodyOf(response) : response.status;
  };
  expect(await answer('GET', '/v1/things/a%2Fb')).toBe('a/b');
  expect(await answer('DELETE', '/v1/things/7')).toBe('gone 7');
  expect(await answer('POST', '/v1/things/7/parts/x')).toEqual({ id: '7', part: 'x' });
  expect(await answer('GET', '/v1/things/all')).toBe('every');
  for (const path of ['/v1/things/', '/v1/things/7/', '/v1/things/%ff', '/v1/things/7/parts', '/v1/things'])
    expect([path, await answer('GET', path)]).toEqual([path, 404]);
  expect(await answer('PUT', '/v1/things/7')).toBe(405);
  expect((await router(request('OPTIONS', '/v1/things/7'))).headers.allow).toBe('GET, DELETE, HEAD, OPTIONS');
  const name = await answer('GET', '/v1/things/{id}');
  expect(name).toBe('{id}');
  expect((await router(request('DELETE', '/v1/things/7'))).headers['access-control-allow-origin']).toBeUndefined();
});

test('pages of allowed origins may write and send tokens, and those of others may not', async () => {
  const open = createRouter(
    [{ method: 'POST', path: '/v1/things', handle: () => json(201, {}) }],
    ['https://app.example.com'],
  );
  const from = (method: string, origin: string) => open(request(method, '/v1/things', { origin }));
  const preflight = (await from('OPTIONS', 'https://app.example.com')).headers;
  expect(preflight['access-control-allow-methods']).toContain('POST');
  expect(preflight['access-control-allow-headers']).toContain('authorization');
  const written = (await from('POST', 'https://app.example.com')).headers;
  expect(written).toMatchObject({ 'access-control-allow-origin': 'https://app.example.com', vary: 'origin' });
  expect((await from('OPTIONS', 'https://evil.example')).headers['access-control-allow-methods']).toBeUndefined();
  expect((await from('POST', 'https://evil.example')).headers['access-control-allow-origin']).toBeUndefined();
});

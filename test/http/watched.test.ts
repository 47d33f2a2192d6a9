import { expect, test } from 'vitest';
import { RouteNames } from '../../src/http/route-names.js';
import { HttpStats, watched } from '../../src/http/watched.js';
import { systemClock } from '../../src/kit/clock.js';
import { type Log, silentLog } from '../../src/kit/log.js';
import { json } from '../../src/wire/http.js';
import { request } from './requests.js';

const routes = new RouteNames(['/v1/things', '/v1/things/{id}', '/api/v3/*']);

test.each([
  ['/v1/things', '/v1/things'],
  ['/v1/things/7', '/v1/things/{id}'],
  ['/v1/things/7/more', 'other'],
  ['/v1/things/', '/v1/things/{id}'],
  ['/api/v3/klines', '/api/v3/*'],
  ['/v1/{id}', 'other'],
  ['/../../etc/passwd', 'other'],
])('%s is counted as %s', (path, name) => {
  expect(routes.of(path)).toBe(name);
});

test('answers are counted by what a caller cannot make up, and failures told with their request id, ten a second', async () => {
  const stats = new HttpStats();
  const lines: object[] = [];
  const log: Log = { ...silentLog, warn: (fields) => lines.push(fields) };
  const clock = { ...systemClock, now: () => 1000 };
  const handler = watched(
    async ({ path }) => {
      if (path === '/v1/things') throw new Error('broken');
      return json(path.endsWith('7') ? 503 : 200, {});
    },
    { routes, stats, tracer: null, clock, log },
  );
  await handler(request('GET', '/v1/things/1'));
  await handler(request('BREW', '/v1/things/2'));
  await expect(handler(request('GET', '/v1/things'))).rejects.toThrow('broken');
  // In the turn it is asked in, where the handler does so.
  const atOnce = watched(() => json(200, {}), { routes, stats: new HttpStats(), tracer: null, clock, log });
  expect(atOnce(request('GET', '/v1/things'))).not.toBeInstanceOf(Promise);
  for (let i = 0; i < 20; i++) await handler(request('POST', '/v1/things/7', { 'x-request-id': `r${i}` }));
  expect(Object.fromEntries(stats.requests)).toEqual({
    'GET /v1/things/{id} 2xx': 1,
    'other /v1/things/{id} 2xx': 1,
    'GET /v1/things 5xx': 1,
    'POST /v1/things/{id} 5xx': 20,
  });
  expect(stats.durations.get('/v1/things/{id}')?.cumulative().at(-1)).toBe(22);
  expect(lines).toHaveLength(10);
  const about = { requestId: 'r0', method: 'POST', route: '/v1/things/{id}', status: 503, durationMs: 0, leftOut: 0 };
  expect(lines[1]).toEqual(about);
});

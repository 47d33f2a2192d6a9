import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pageRoutes } from '../../src/http/pages.js';
import { createRouter } from '../../src/http/router.js';
import type { HttpHandler, HttpResponse } from '../../src/wire/http.js';

const SCRIPT = `console.log(${JSON.stringify('candle'.repeat(1000))});`;
let directory: string;
let handler: HttpHandler;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'candlecast-pages-'));
  await mkdir(join(directory, 'folder'));
  await writeFile(join(directory, 'index.html'), '<!doctype html>');
  await writeFile(join(directory, 'folder', 'index.html'), '<!doctype html>');
  await writeFile(join(directory, 'embed.html'), '<!doctype html>');
  await writeFile(join(directory, 'embed.js'), SCRIPT);
  await writeFile(join(directory, 'index.js'), SCRIPT);
  await writeFile(join(directory, 'secret.txt'), 'not a page');
  handler = createRouter(await pageRoutes(directory));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<HttpResponse> {
  const query = new URLSearchParams();
  const header = (name: string) => headers[name];
  return await handler({ method, path, query, header, body: new Uint8Array(), remoteAddress: '127.0.0.1' });
}

test('serves each page with its type, a policy and no sniffing', async () => {
  for (const path of ['/', '/folder/', '/embed']) {
    const { status, headers } = await get(path);
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(headers['x-content-type-options']).toBe('nosniff');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(headers['content-security-policy']).not.toContain('unsafe');
  }
});

test('lets other sites frame the chart that is made for it, and load its script; nothing else', async () => {
  const policyOf = async (path: string) => (await get(path)).headers['content-security-policy'];
  expect(await policyOf('/')).toContain("frame-ancestors 'none'");
  expect(await policyOf('/embed')).toContain('frame-ancestors *');
  const foreign = { 'access-control-allow-origin': '*', 'cross-origin-resource-policy': 'cross-origin' };
  expect((await get('/embed.js')).headers).toMatchObject(foreign);
  expect((await get('/index.js')).headers).not.toHaveProperty('access-control-allow-origin');
});

test('compresses as the client accepts it', async () => {
  const text = (body: string | Uint8Array) => Buffer.from(body).toString();
  const [plain, br, gzip] = [
    await get('/index.js'),
    await get('/index.js', { 'accept-encoding': 'gzip, deflate, br' }),
    await get('/index.js', { 'accept-encoding': 'gzip, br;q=0' }),
  ];
  expect([plain, br, gzip].map((answer) => answer.headers['content-encoding'])).toEqual([undefined, 'br', 'gzip']);
  expect(text(plain.body)).toBe(SCRIPT);
  expect(text(brotliDecompressSync(br.body))).toBe(SCRIPT);
  expect(text(gunzipSync(gzip.body))).toBe(SCRIPT);
  expect(new Set([plain, br, gzip].map((answer) => answer.headers.etag)).size).toBe(3);
});

test('answers 304 to who has it already', async () => {
  const { headers } = await get('/index.js');
  const again = await get('/index.js', { 'if-none-match': `"other", ${headers.etag}` });
  expect([again.status, again.body, again.headers.etag]).toEqual([304, '', headers.etag]);
  expect((await get('/index.js', { 'if-none-match': '"other"' })).status).toBe(200);
});

test('serves nothing else', async () => {
  for (const path of ['/secret.txt', '/../package.json', '/index.html', '/embed.html', '/embed/', '/nothing']) {
    expect((await get(path)).status).toBe(404);
  }
  expect((await get('/', {}, 'POST')).status).toBe(405);
});

test('a folder that is not there is told', async () => {
  await expect(pageRoutes(join(directory, 'missing'))).rejects.toThrow(/ENOENT/);
});

import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import type { Environment } from '../../src/config/environment.js';
import { VARIABLES } from '../../src/config/variables.js';
import { parseFeeds } from '../../src/feed/spec.js';

const root = mkdtempSync(join(tmpdir(), 'candlecast-config-'));
afterAll(() => rmSync(root, { recursive: true }));

function load(env: Environment) {
  return loadConfig(parseFeeds, { DATA_DIR: join(root, 'data'), ...env });
}

function problemsOf(env: Environment): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

test('defaults', () => {
  expect(load({})).toEqual({
    port: 8080,
    host: '127.0.0.1',
    databaseUrl: null,
    timescaleUrl: null,
    clickhouseUrl: null,
    redisUrl: null,
    redisPrefix: '',
    roles: ['ingest', 'gateway', 'signals', 'analytics'],
    trustedProxies: 0,
    workers: 1,
    jwtSecret: null,
    identityProvider: null,
    plans: null,
    registration: true,
    allowedOrigins: [],
    dataDir: join(root, 'data'),
    feeds: [{ kind: 'demo', seed: 1 }],
    logLevel: 'info',
    transport: 'auto',
    coalesceMs: 250,
    graceMs: 2000,
    spoolMaxBytes: 1024 * 1024 * 1024,
    retentionDays: null,
    traces: null,
    warnings: [],
  });
});

test('traces go below the endpoint of all signals', () => {
  const traces = { url: 'http://collector:4318/v1/traces', service: 'candlecast' };
  for (const slash of ['', '/'])
    expect(load({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://collector:4318${slash}` }).traces).toEqual(traces);
});

test('an empty variable counts as not set, as compose files write it', () => {
  expect(load({ PORT: '', FEEDS: ' ', DATABASE_URL: '' })).toMatchObject({ port: 8080, databaseUrl: null });
});

test('candles go to DATABASE_URL unless TIMESCALE_URL says otherwise', () => {
  const DATABASE_URL = 'postgres://u:p@h/db';
  expect(load({ DATABASE_URL }).timescaleUrl).toBe(DATABASE_URL);
  expect(load({ DATABASE_URL, TIMESCALE_URL: 'postgresql://t/db' }).timescaleUrl).toBe('postgresql://t/db');
});

test('each variable may come from a file', () => {
  const path = join(root, 'url');
  writeFileSync(path, 'postgres://u:p@h/db\n');
  expect(load({ DATABASE_URL_FILE: path }).databaseUrl).toBe('postgres://u:p@h/db');
  expect(problemsOf({ DATABASE_URL_FILE: path, DATABASE_URL: 'postgres://x/y' })).toEqual([
    'DATABASE_URL and DATABASE_URL_FILE are both set: set one',
  ]);
  expect(problemsOf({ PORT_FILE: join(root, 'no') })).toEqual([
    expect.stringMatching(/^PORT_FILE .*cannot be read \(ENOENT\)/),
  ]);
});

test.each([
  [{ PORT: '65536' }, /^PORT must be an integer from 0 to 65535/],
  [{ PORT: '-1' }, /^PORT must be/],
  [{ PORT: '80.5' }, /^PORT must be/],
  [{ PORT: 'http' }, /^PORT must be/],
  [{ HOST: 'a b' }, /^HOST must be/],
  [{ DATABASE_URL: 'mysql://h/db' }, /^DATABASE_URL must be a URL such as postgres:/],
  [{ TIMESCALE_URL: 'localhost' }, /^TIMESCALE_URL must be a URL/],
  [{ ROLES: 'gateways' }, /^ROLES must be "all" or a list of ingest, gateway/],
  [{ ROLES: 'ingest,,gateway' }, /^ROLES must be/],
  [{ ROLES: 'gateway', DATABASE_URL: 'postgres://h/d' }, /^REDIS_URL is missing: ROLES=gateway/],
  [{ ROLES: 'ingest', REDIS_URL: 'redis://h' }, /^TIMESCALE_URL \(or DATABASE_URL\) is missing: ROLES=ingest/],
  [{ REDIS_URL: 'http://h' }, /^REDIS_URL must be redis:\/\/\[user/],
  [{ REDIS_PREFIX: 'a b' }, /^REDIS_PREFIX must be 1 to 40 characters/],
  [{ WORKERS: '2' }, /^WORKERS needs ROLES=gateway/],
  [{ JWKS_URL: 'https://id/keys' }, /^JWKS_URL needs JWT_ISSUER and JWT_AUDIENCE/],
  [{ JWKS_URL: 'keys' }, /^JWKS_URL must be an http/],
  [{ REGISTRATION: 'yes' }, /^REGISTRATION must be open/],
  [{ ALLOWED_ORIGINS: 'example.com' }, /^ALLOWED_ORIGINS must be a list of origins/],
  [{ WORKERS: '0' }, /^WORKERS must be an integer from 1 to 256/],
  [{ LOG_LEVEL: 'loud' }, /^LOG_LEVEL must be one of trace, debug/],
  [{ TRANSPORT: 'tcp' }, /^TRANSPORT must be auto, uws or node/],
  [{ COALESCE_MS: '60001' }, /^COALESCE_MS must be an integer from 0 to 60000/],
  [{ GRACE_MS: '2s' }, /^GRACE_MS must be/],
  [{ SPOOL_MAX_MB: '0' }, /^SPOOL_MAX_MB must be an integer from 1/],
  [{ RETENTION_DAYS: '6' }, /^RETENTION_DAYS must be an integer from 7 to 36500/],
  [{ FEEDS: 'nonsense' }, /^FEEDS: "nonsense": unknown feed/],
])('%j is refused with what would be right', (env, message) => {
  expect(problemsOf(env)).toEqual([expect.stringMatching(message)]);
});

test('all errors are listed at once, and none shows a secret', () => {
  const problems = problemsOf({ PORT: 'x', DATABASE_URL: 'hunter2', FEEDS: 'a;b', LOG_LEVEL: 'x', ROLES: 'x' });
  expect(problems.length).toBe(6);
  expect(problems.join()).not.toContain('hunter2');
  expect(() => load({ PORT: 'x' })).toThrow(/the configuration is not valid:\n {2}- PORT must/);
});

test('the data directory is made, and nothing is left of the probe', () => {
  const { dataDir } = load({ DATA_DIR: join(root, 'a', 'b') });
  expect(existsSync(dataDir)).toBe(true);
  expect(readdirSync(dataDir)).toEqual([]);
});

test('a data directory that is a file, or below one, is refused', () => {
  const path = join(root, 'file');
  writeFileSync(path, '');
  expect(problemsOf({ DATA_DIR: path })).toEqual([
    expect.stringMatching(/^DATA_DIR .*cannot be written: it is a file/),
  ]);
  expect(problemsOf({ DATA_DIR: join(path, 'x') })).toEqual([expect.stringMatching(/a part of the path is a file/)]);
});

test.skipIf(process.getuid?.() === 0)('a data directory without permission is refused', () => {
  const path = mkdtempSync(join(root, 'locked-'));
  chmodSync(path, 0o500);
  expect(problemsOf({ DATA_DIR: path })).toEqual([
    expect.stringMatching(/cannot be written: the permissions forbid it/),
  ]);
  chmodSync(path, 0o700);
});

test('misspelt variables are warned of', () => {
  const env = { FEED: 'demo', LOGLEVEL: 'info', CANDLECAST_PORT: '1', DATABSE_URL: 'x' };
  expect(load(env).warnings).toEqual([
    'FEED is not a variable of Candlecast: did you mean FEEDS?',
    'LOGLEVEL is not a variable of Candlecast: did you mean LOG_LEVEL?',
    'CANDLECAST_PORT is not a variable of Candlecast: did you mean PORT?',
    'DATABSE_URL is not a variable of Candlecast: did you mean DATABASE_URL?',
  ]);
});

test('the usual variables of a shell are not warned of', () => {
  const names = 'PATH HOME PWD USER SHELL TERM LANG HOSTNAME SHLVL OLDPWD EDITOR PAGER LOGNAME NODE_ENV TZ DISPLAY _';
  expect(load(Object.fromEntries(names.split(' ').map((name) => [name, 'x']))).warnings).toEqual([]);
});

test('every variable is written down in .env.example', async () => {
  const { readFile } = await import('node:fs/promises');
  const example = await readFile('.env.example', 'utf8');
  for (const name of Object.keys(VARIABLES)) expect(example).toContain(`\n#${name}=`);
});

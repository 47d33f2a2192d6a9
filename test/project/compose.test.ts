import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import { VARIABLES } from '../../src/config/variables.js';
import { parseFeeds } from '../../src/feed/spec.js';
import { healthRoutes } from '../../src/http/health.js';
import { metricsRoute } from '../../src/http/metrics.js';
import { STOP_DEADLINE_MS } from '../../src/ops/lifecycle.js';
import { readDockerfile } from './dockerfile.js';
import { ROOT, read } from './files.js';

/** There may be no container engine where the tests run: this checks what can be checked of the files themselves. */

/** Scalars as they are written: no type is guessed. */
type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };
type Mapping = { readonly [key: string]: Yaml };

const parseYaml = (path: string): Mapping => parse(read(path), { schema: 'failsafe', merge: true }) as Mapping;

/** What has no default must come from outside. */
const SECRETS = {
  POSTGRES_PASSWORD: 'a1',
  CLICKHOUSE_PASSWORD: 'b2',
  GRAFANA_PASSWORD: 'c3',
  JWT_SECRET: 'd4'.repeat(32),
};

const { environment: image, exposed } = readDockerfile();
const compose = parseYaml('docker-compose.yml');
const services = Object.entries(mapping(compose.services)).map(([name, value]) => ({ name, ...parts(mapping(value)) }));
const nodes = services.filter((service) => service.built);

function mapping(value: Yaml | undefined): Mapping {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new TypeError('a mapping is missing');
  return value as Mapping;
}

function list(value: Yaml | undefined): readonly string[] {
  return Array.isArray(value) ? value : [];
}

function parts(service: Mapping) {
  const environment = service.environment === undefined ? {} : mapping(service.environment);
  return {
    all: service,
    built: service.build === '.',
    image: String(service.image),
    ports: list(service.ports).map((port) => given(port).split(':')),
    mounts: list(service.volumes).map((volume) => volume.split(':')),
    dependsOn: service.depends_on === undefined ? [] : Object.entries(mapping(service.depends_on)),
    environment: Object.fromEntries(Object.entries(environment).map(([key, text]) => [key, given(String(text))])),
    health: list(mapping(service.healthcheck).test),
  };
}

/** A value as it is when only the secrets are set. */
function given(text: string): string {
  return text
    .replace(/\$\{(\w+):\?[^}]*\}/g, (_, name: keyof typeof SECRETS) => SECRETS[name])
    .replace(/\$\{\w+:-([^}]*)\}/g, '$1');
}

function named(name: string) {
  const service = services.find((candidate) => candidate.name === name);
  if (service === undefined) throw new Error(`no service ${name}`);
  return service;
}

/** What the server says to an environment: its warnings, or its problems. */
function judge(environment: Readonly<Record<string, string>>): readonly string[] {
  const directory = mkdtempSync(join(tmpdir(), 'candlecast-compose-'));
  try {
    return loadConfig(parseFeeds, { ...image, ...environment, DATA_DIR: directory }).warnings;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** "10s", "4500ms". */
function milliseconds(text: Yaml | undefined): number {
  const [, count = '', unit] = /^(\d+)(ms|s|m)$/.exec(String(text)) ?? [];
  return Number(count) * { ms: 1, s: 1000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
}

describe('docker-compose.yml', () => {
  it('has the stores, nodes with every role, two of those that must not be one, a balancer and what watches them', () => {
    expect(services.map(({ name }) => name).sort()).toEqual([
      'analytics',
      'balancer',
      'clickhouse',
      'gateway-1',
      'gateway-2',
      'grafana',
      'ingest-1',
      'ingest-2',
      'prometheus',
      'redis',
      'timescaledb',
    ]);
    const roles = nodes.map(({ environment }) => environment.ROLES);
    expect(roles.sort()).toEqual(['analytics', 'gateway,signals', 'gateway,signals', 'ingest', 'ingest']);
    expect(services.filter(({ all }) => all.profiles !== undefined)).toEqual([]);
  });

  it.each(nodes)('configures $name so that the server has nothing to say', ({ environment }) => {
    expect(judge(environment)).toEqual([]);
    const known = Object.keys(VARIABLES);
    expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
  });

  it('takes no trades from whoever reaches the balancer, unless its operator says so', () => {
    const feeds = nodes.flatMap(({ environment }) => environment.FEEDS ?? []);
    expect(feeds.length).toBeGreaterThan(0);
    expect(feeds.filter((text) => text.split(';').includes('push'))).toEqual([]);
  });

  it('has no secret of its own: each is asked for by name, in every place', () => {
    const text = read('docker-compose.yml');
    const asked = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name);
    expect([...new Set(asked)].sort()).toEqual(Object.keys(SECRETS).sort());
    const defaulted = [...text.matchAll(/\$\{(\w+):-/g)].map(([, name]) => name);
    expect([...new Set(defaulted)].sort()).toEqual(['FEEDS', 'LOG_LEVEL', 'PUBLISH']);
    for (const { environment } of services)
      for (const [name, value] of Object.entries(environment))
        if (/PASSWORD|SECRET/.test(name)) expect(Object.values(SECRETS), name).toContain(value);
    // The line at the top that makes them makes these.
    const made = /for name in ([A-Z_ ]+); do/.exec(text)?.[1]?.split(' ') ?? [];
    expect(made.sort()).toEqual(Object.keys(SECRETS).sort());
  });

  it('names services and credentials that exist in the URLs', () => {
    const database = named('timescaledb').environment;
    for (const { environment } of nodes) {
      const url = new URL(environment.TIMESCALE_URL ?? '');
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = database;
      expect([url.host, url.username, url.password]).toEqual(['timescaledb:5432', POSTGRES_USER, POSTGRES_PASSWORD]);
      expect(url.pathname).toBe(`/${POSTGRES_DB}`);
      expect(new URL(environment.REDIS_URL ?? '').host).toBe('redis:6379');
    }
    const { CLICKHOUSE_USER, CLICKHOUSE_PASSWORD, CLICKHOUSE_DB } = named('clickhouse').environment;
    const using = nodes.filter(({ environment: { ROLES = '' } }) => /gateway|analytics/.test(ROLES));
    for (const { environment } of using) {
      const url = `http://${CLICKHOUSE_USER}:${CLICKHOUSE_PASSWORD}@clickhouse:8123/${CLICKHOUSE_DB}`;
      expect(environment.CLICKHOUSE_URL).toBe(url);
    }
  });

  it('publishes one port for clients, from the port that the balancer listens on, and all on the local address', () => {
    const published = services.flatMap(({ name, ports }) => ports.map((port) => [name, ...port]));
    expect(published).toEqual([
      ['balancer', '127.0.0.1', '8080', '8080'],
      ['prometheus', '127.0.0.1', '9090', '9090'],
      ['grafana', '127.0.0.1', '3000', '3000'],
    ]);
  });

  it('declares every volume it mounts, mounts every volume it declares, each in one service; what is mounted exists', () => {
    const mounted = services.flatMap(({ mounts }) => mounts);
    const [volumes, files] = [
      mounted.filter(([from]) => !from?.startsWith('.')),
      mounted.filter(([from]) => from?.startsWith('.')),
    ];
    expect(volumes.map(([volume]) => volume).sort()).toEqual(Object.keys(mapping(compose.volumes)).sort());
    for (const { mounts } of nodes) expect(mounts.map(([, path]) => path)).toEqual([image.DATA_DIR]);
    for (const [path = '', , mode] of files) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(mode).toBe('ro');
    }
  });

  it('gives every service a health check, a memory limit, a restart and a pinned image', () => {
    for (const service of services) {
      expect(service.health[0]).toBe('CMD');
      expect(service.all.mem_limit).toMatch(/^\d+[mg]$/);
      expect(service.all.restart).toBe('unless-stopped');
      expect(service.image).toMatch(/^[a-z/-]+:v?\d+\.\d+/);
    }
    const { version } = JSON.parse(read('package.json')) as { version: string };
    for (const { image: built } of nodes) expect(built).toBe(`candlecast:${version}`);
  });

  it('gives nodes more time to drain than they take, and nothing that they do not need', () => {
    for (const { all } of nodes) {
      expect(milliseconds(all.stop_grace_period)).toBeGreaterThan(STOP_DEADLINE_MS);
      expect([all.read_only, all.cap_drop, all.tmpfs]).toEqual(['true', ['ALL'], '/tmp']);
    }
  });

  it('waits only for services that exist, until they are healthy', () => {
    for (const { dependsOn } of services) {
      for (const [name, condition] of dependsOn) {
        expect(condition).toEqual({ condition: 'service_healthy' });
        expect(named(name).health.length).toBeGreaterThan(1);
      }
    }
  });

  it('asks nodes for health at a path and a port that they have', () => {
    const paths = healthRoutes({ notReady: () => [], isDraining: () => false }).map(({ path }) => path);
    for (const { health } of nodes) {
      const [, port, path] = /127\.0\.0\.1:(\d+)(\/\w+)/.exec(health.join(' ')) ?? [];
      expect([port, paths.includes(path ?? '')]).toEqual([image.PORT, true]);
    }
    expect(exposed).toBe(image.PORT);
  });

  it('keeps Redis from forgetting what the bus holds', () => {
    const command = list(named('redis').all.command);
    const option = (name: string) => command[command.indexOf(`--${name}`) + 1];
    expect([option('maxmemory-policy'), option('save'), option('appendonly')]).toEqual(['noeviction', '', 'no']);
    expect(option('client-output-buffer-limit')).toBe('pubsub 32mb 8mb 60');
  });
});

describe('what watches it', () => {
  const prometheus = parseYaml('deploy/prometheus/prometheus.yml');
  const jobs = (prometheus.scrape_configs as readonly Yaml[]).map((job) => {
    const { job_name, metrics_path, static_configs } = mapping(job);
    const targets = (static_configs as readonly Yaml[]).flatMap((config) => list(mapping(config).targets));
    return { name: job_name, path: metrics_path, targets };
  });

  it('scrapes every node, and the balancer, where they have their metrics', () => {
    const { path } = metricsRoute({ text: async () => '', contentType: '' });
    expect(jobs).toEqual([
      { name: 'candlecast', path, targets: nodes.map(({ name }) => `${name}:${image.PORT}`) },
      { name: 'haproxy', path: '/metrics', targets: ['balancer:8405'] },
    ]);
    expect(read('deploy/haproxy/haproxy.cfg')).toMatch(/^ +bind :8405$/m);
  });

  it('finds its rules, its dashboards and its source', () => {
    const at = (service: string, path: string) => {
      const mount = named(service).mounts.find(([, to]) => to !== undefined && path.startsWith(to));
      return join(ROOT, mount?.[0] ?? 'nowhere', path.slice(mount?.[1]?.length));
    };
    const rules = list(prometheus.rule_files);
    expect(rules.filter((path) => !existsSync(at('prometheus', path)))).toEqual([]);
    const provisioning = 'deploy/grafana/provisioning';
    const [provider] = parseYaml(`${provisioning}/dashboards/candlecast.yml`).providers as readonly Yaml[];
    const dashboards = at('grafana', String(mapping(mapping(provider).options).path));
    const files = readdirSync(dashboards).filter((file) => file.endsWith('.json'));
    expect(files.length).toBeGreaterThan(0);
    const [source] = parseYaml(`${provisioning}/datasources/prometheus.yml`).datasources as readonly Yaml[];
    expect(mapping(source).url).toBe('http://prometheus:9090');
    for (const file of files) {
      const uids = read(join(relative(ROOT, dashboards), file)).matchAll(/"type": "prometheus",\s*"uid": "([^"]+)"/g);
      for (const [, uid] of uids) expect([mapping(source).uid, uid?.startsWith('$') && uid]).toContain(uid);
    }
  });
});

describe('the balancer', () => {
  const config = read('deploy/haproxy/haproxy.cfg');
  const backends = new Map(
    config
      .split(/^backend /m)
      .slice(1)
      .map((text) => [text.slice(0, text.indexOf('\n')), [...text.matchAll(/^ +server (\S+) (\S+)$/gm)]] as const),
  );

  it('has the gateways and the ingest nodes of the compose file, at the port of the image', () => {
    expect([...backends.keys()]).toEqual(['gateways', 'living', 'ingest']);
    for (const [backend, role] of [
      ['gateways', 'gateway'],
      ['living', 'gateway'],
      ['ingest', 'ingest'],
    ] as const) {
      const expected = nodes.filter(({ environment }) => environment.ROLES?.split(',').includes(role));
      const servers = backends.get(backend)?.map(([, name, address]) => [name, address]);
      expect(servers).toEqual(expected.map(({ name }) => [name, `${name}:${image.PORT}`]));
    }
  });

  it('asks for readiness at a path that the server has, and is the one proxy that gateways trust', () => {
    const paths = healthRoutes({ notReady: () => [], isDraining: () => false }).map(({ path }) => path);
    const asked = [...config.matchAll(/http-check send .*uri (\S+)/g)].map(([, path = '']) => path);
    expect(asked).toEqual(['/readyz', '/healthz']);
    expect(paths).toEqual(expect.arrayContaining(asked));
    for (const { environment } of nodes.filter(({ environment }) => environment.ROLES?.includes('gateway')))
      expect(environment.TRUSTED_PROXIES).toBe('1');
    expect(named('balancer').health.at(-1)).toBe(`http://127.0.0.1:8080${/monitor-uri (\S+)/.exec(config)?.[1]}`);
    expect(/^ +bind :(\d+)$/m.exec(config)?.[1]).toBe('8080');
  });
});

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ConfigError, loadConfig } from '../../src/config/config.js';
import { VARIABLES } from '../../src/config/variables.js';
import { parseFeeds } from '../../src/feed/spec.js';
import { healthRoutes } from '../../src/http/health.js';
import { ROOT, read } from './files.js';

/** There may be no container engine where the tests run: this checks what can be checked of the files themselves. */

/** Scalars as they are written: no type is guessed. */
type Yaml = string | null | readonly Yaml[] | { readonly [key: string]: Yaml };
const parseYaml = (text: string): Mapping => parse(text, { schema: 'failsafe' }) as Mapping;

type Mapping = { readonly [key: string]: Yaml };

const dockerfile = read('Dockerfile');
const compose = parseYaml(read('docker-compose.yml'));
const services = Object.entries(mapping(compose.services)).map(([name, value]) => ({ name, ...parts(mapping(value)) }));
const nodes = services.filter((service) => service.built);
const imageEnvironment = Object.fromEntries(
  [...(/^ENV (.+)$/m.exec(dockerfile)?.[1] ?? '').matchAll(/(\S+)=(\S+)/g)].map(([, key = '', value]) => [key, value]),
);

function mapping(value: Yaml | undefined): Mapping {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new TypeError('a mapping is missing');
  return value as Mapping;
}

function list(value: Yaml | undefined): readonly string[] {
  return Array.isArray(value) ? value : [];
}

function parts(service: Mapping) {
  return {
    all: service,
    built: service.build === '.',
    image: String(service.image),
    profiles: list(service.profiles),
    ports: list(service.ports).map((port) => port.split(':')),
    mounts: list(service.volumes).map((volume) => volume.split(':')),
    dependsOn: service.depends_on === undefined ? [] : Object.entries(mapping(service.depends_on)),
    environment: interpolated(service.environment === undefined ? {} : mapping(service.environment)),
    health: list(mapping(service.healthcheck).test),
  };
}

/** Values as they are when no variable of compose is set. */
function interpolated(environment: Mapping): Readonly<Record<string, string>> {
  const value = (text: Yaml): string => String(text).replace(/\$\{\w+:-([^}]*)\}/g, '$1');
  return Object.fromEntries(Object.entries(environment).map(([key, text]) => [key, value(text)]));
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
    return loadConfig(parseFeeds, { ...imageEnvironment, ...environment, DATA_DIR: directory }).warnings;
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('docker-compose.yml', () => {
  it('has the stores, two ingest nodes, two gateways and one full node', () => {
    const names = [
      'timescaledb',
      'redis',
      'clickhouse',
      'ingest-1',
      'ingest-2',
      'gateway-1',
      'gateway-2',
      'candlecast',
    ];
    expect(services.map(({ name }) => name).sort()).toEqual(names.sort());
    expect(nodes.map(({ name }) => name).sort()).toEqual([
      'candlecast',
      'gateway-1',
      'gateway-2',
      'ingest-1',
      'ingest-2',
    ]);
  });

  it('starts one full node by default: the server accepts that configuration without a warning', () => {
    expect(services.filter(({ profiles }) => profiles.length === 0).map(({ name }) => name)).toEqual([
      'timescaledb',
      'candlecast',
    ]);
    expect(judge(named('candlecast').environment)).toEqual([]);
  });

  it.each(['ingest-1', 'ingest-2', 'gateway-1', 'gateway-2'])('puts %s behind a profile, with its role', (name) => {
    const { profiles, environment } = named(name);
    expect(profiles).toEqual(['cluster']);
    expect(environment.ROLES).toBe(name.startsWith('ingest') ? 'ingest' : 'gateway,signals');
    expect(judge(environment)).toEqual([]);
  });

  it('sets only variables that the server knows', () => {
    const known = Object.keys(VARIABLES);
    for (const { environment } of nodes) expect(known).toEqual(expect.arrayContaining(Object.keys(environment)));
  });

  it('names services and credentials that exist in the URLs', () => {
    const database = named('timescaledb').environment;
    for (const { environment } of nodes) {
      const url = new URL(environment.TIMESCALE_URL ?? '');
      const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = database;
      expect([url.host, url.username, url.password]).toEqual(['timescaledb:5432', POSTGRES_USER, POSTGRES_PASSWORD]);
      expect(url.pathname).toBe(`/${POSTGRES_DB}`);
      for (const other of [environment.REDIS_URL, environment.CLICKHOUSE_URL]) {
        if (other !== undefined) expect(services.map(({ name }) => name)).toContain(new URL(other).hostname);
      }
    }
  });

  it('publishes each port once, on the local address, from the port the image listens on', () => {
    const ports = services.flatMap((service) => service.ports);
    expect(new Set(ports.map(([, host]) => host)).size).toBe(ports.length);
    expect(ports.map(([address]) => address)).toEqual(ports.map(() => '127.0.0.1'));
    expect(ports.map(([, , container]) => container)).toEqual(ports.map(() => imageEnvironment.PORT));
    expect(/^EXPOSE (\d+)$/m.exec(dockerfile)?.[1]).toBe(imageEnvironment.PORT);
  });

  it('declares every volume it mounts, mounts every volume it declares, each in one service', () => {
    const mounted = services.flatMap(({ mounts }) => mounts.map(([volume]) => volume));
    expect(mounted.sort()).toEqual(Object.keys(mapping(compose.volumes)).sort());
    for (const { mounts } of nodes) expect(mounts.map(([, path]) => path)).toEqual([imageEnvironment.DATA_DIR]);
  });

  it('gives every service a health check, a memory limit, a volume and a pinned image', () => {
    for (const service of services) {
      expect(service.health[0]).toBe('CMD');
      expect(service.all.mem_limit).toMatch(/^\d+[mg]$/);
      expect(service.mounts).toHaveLength(1);
      expect(service.image).toMatch(/^[a-z/-]+:\d+\.\d+/);
    }
    const { version } = JSON.parse(read('package.json')) as { version: string };
    for (const { image } of nodes) expect(image).toBe(`candlecast:${version}`);
  });

  it('waits only for services that start with it and have a health check', () => {
    for (const { dependsOn, profiles } of services) {
      for (const [name, condition] of dependsOn) {
        expect(condition).toEqual({ condition: 'service_healthy' });
        expect([[], profiles]).toContainEqual(named(name).profiles);
      }
    }
  });

  it('asks for health at a path that the server has', () => {
    const paths = healthRoutes({ notReady: () => [] }).map(({ path }) => path);
    const asked = [dockerfile, ...nodes.map(({ health }) => health.join(' '))].map((text) =>
      /\d'(?: \+ process.env.PORT \+ ')?(\/[a-z]+)'|:\d+(\/[a-z]+)'|\+ '(\/[a-z]+)'/.exec(text),
    );
    for (const match of asked) expect(paths).toContain(match?.[1] ?? match?.[2] ?? match?.[3]);
  });
});

describe('Dockerfile', () => {
  it('copies what exists and what .dockerignore lets through', () => {
    const ignore = read('.dockerignore').trim().split('\n');
    expect(ignore[0]).toBe('*');
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap((match) =>
      (match[1] ?? '').split(' '),
    );
    expect(copied.length).toBeGreaterThan(5);
    for (const path of copied) {
      expect(existsSync(join(ROOT, path)), path).toBe(true);
      expect(ignore).toContain(`!${path}`);
    }
  });

  it('runs the program on a Node version that it supports, not as root', () => {
    const bases = [...dockerfile.matchAll(/^FROM node:(\d+)\.\d+\.\d+-bookworm-slim/gm)].map(([, major]) => major);
    expect(bases).toEqual(['20', '20']);
    const { bin } = JSON.parse(read('package.json')) as { bin: { candlecast: string } };
    expect(dockerfile).toContain(`ENTRYPOINT ["node", "${bin.candlecast}"]`);
    expect(dockerfile.indexOf('\nUSER node\n')).toBeGreaterThan(dockerfile.lastIndexOf('\nRUN '));
  });
});

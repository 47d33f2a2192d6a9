import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STOP_DEADLINE_MS } from '../../src/ops/lifecycle.js';
import { ClusterDatabase } from '../faults/kit/cluster-database.js';
import { full } from '../faults/kit/scenario.js';
import { restartablePort } from '../support/server.js';
import { readDockerfile } from './dockerfile.js';
import { ROOT, read } from './files.js';
import { allowed, Image, productionPackages } from './image.js';

const MAX_BYTES = 80_000_000;
/** Debian 13's. */
const GLIBC_MINOR = 41;

const { stages, environment } = readDockerfile();
const last = stages.at(-1);
const given = (name: string) => last?.steps.filter((one) => one.name === name).map(({ text }) => text) ?? [];
const words = (text: string | undefined) => JSON.parse(text ?? '[]') as string[];

describe('Dockerfile', () => {
  it('copies what exists and what .dockerignore lets through, and .dockerignore lets nothing else through', () => {
    const copied = stages
      .flatMap(({ steps }) => steps)
      .filter(({ name, from }) => name === 'COPY' && from === undefined)
      .flatMap(({ words }) => words.slice(0, -1));
    for (const path of copied) expect(existsSync(join(ROOT, path)), path).toBe(true);
    expect([...new Set(copied)].sort()).toEqual([...allowed()].sort());
  });

  it('has one base for both stages, with a Node that we support and a libc that its binaries find', async () => {
    const [base] = stages.map((stage) => stage.base);
    expect(stages.map((stage) => stage.base)).toEqual([base, base]);
    const [, major] = /^node:(\d+)\.\d+\.\d+-trixie-slim$/.exec(base ?? '') ?? [];
    expect(read('.github/workflows/ci.yml')).toMatch(new RegExp(`node: \\[.*\\b${major}\\b.*\\]`));
    const modules: Readonly<Record<string, number>> = { 22: 127, 24: 137 };
    for (const processor of ['x64', 'arm64']) {
      const file = `node_modules/uWebSockets.js/uws_linux_${processor}_${modules[major ?? '']}.node`;
      const wanted = [...(await readFile(join(ROOT, file), 'latin1')).matchAll(/GLIBC_2\.(\d+)/g)];
      expect(Math.max(...wanted.map(([, minor]) => Number(minor))), file).toBeLessThanOrEqual(GLIBC_MINOR);
    }
  });

  it('runs the program of the package, not as root, and is stopped by what drains it', () => {
    const { bin, version } = JSON.parse(read('package.json')) as { bin: { candlecast: string }; version: string };
    expect(words(given('ENTRYPOINT')[0])).toEqual(['node', bin.candlecast]);
    expect(given('USER')).toEqual(['node']);
    expect(given('STOPSIGNAL')).toEqual(['SIGTERM']);
    expect(given('VOLUME')).toEqual([environment.DATA_DIR]);
    expect(given('LABEL')[0]).toContain(`org.opencontainers.image.version="${version}"`);
    const order = last?.steps.map(({ name }) => name) ?? [];
    expect(order.indexOf('USER')).toBeGreaterThan(order.lastIndexOf('RUN'));
  });

  it.each([
    'WORKDIR /app',
    'FROM a AS',
    'FROM --platform=linux/arm64 a',
    'FROM a\nRUNN ls',
    'FROM a\nADD b c',
    'FROM a\nRUN',
    'FROM a\nRUN --network=none ls',
    'FROM a\nRUN <<EOF\nls\nEOF',
    'FROM a\nCOPY --chown=node b c',
    'FROM a\nENV B',
    'FROM a\nRUN ls\n  && ls',
  ])('is read strictly: %j is refused', (text) => {
    expect(() => readDockerfile(text)).toThrow(/^Dockerfile, line \d: /);
  });
});

describe.runIf(full).each([{ installs: false }, { installs: true }])(
  'the image, npm runs: $installs',
  ({ installs }) => {
    let image: Image;
    let database: ClusterDatabase;
    let port: number;

    beforeAll(async () => {
      [image, database] = await Promise.all([Image.build(installs), ClusterDatabase.start()]);
      port = await restartablePort();
    }, 600_000);

    afterAll(async () => {
      await database?.stop();
      await image?.remove();
    });

    it('is small: no tools, no embedded engines, no binaries for other machines', async () => {
      const files = await image.files();
      const tops = new Set(files.map((file) => file.split('/')[0]));
      expect([...tops].sort()).toEqual(['LICENSE', 'dist', 'node_modules', 'package.json', 'sql']);
      const binaries = files.filter((file) => file.includes('/uws_'));
      expect(binaries).toEqual([
        `node_modules/uWebSockets.js/uws_linux_${process.arch}_${process.versions.modules}.node`,
      ]);
      const installed = new Set(files.map((file) => /^(node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]));
      const production = new Set(productionPackages());
      expect([...installed].filter((path) => path !== undefined && !production.has(path))).toEqual([]);
      expect(files.filter((file) => /pglite|chdb/.test(file))).toEqual([]);
      expect(await image.bytes()).toBeLessThan(MAX_BYTES);
    });

    it('serves with these files, its variables and a database; says that it is healthy; drains when it is told to', async () => {
      const variables = { HOST: '127.0.0.1', PORT: String(port), TIMESCALE_URL: database.url };
      const server = image.spawn([...words(given('ENTRYPOINT')[0]), ...words(given('CMD')[0])], {
        ...variables,
        FEEDS: 'push',
        ROLES: 'ingest,gateway,signals',
      });
      let said = '';
      const ended = once(server, 'exit');
      const ready = new Promise<void>((resolve, reject) => {
        server.once('exit', () => reject(new Error(said)));
        for (const stream of [server.stdout, server.stderr])
          stream?.on('data', (chunk: Buffer) => {
            said += chunk.toString();
            if (said.includes('is ready: ')) resolve();
          });
      });
      await ready;
      const [, health] = /CMD (\[.*\])$/.exec(given('HEALTHCHECK')[0] ?? '') ?? [];
      expect((await once(image.spawn(words(health), variables), 'exit'))[0]).toBe(0);
      for (const path of ['/readyz', '/v1/symbols', '/', '/metrics'])
        expect((await fetch(`http://127.0.0.1:${port}${path}`)).status, path).toBe(200);
      expect(said).not.toMatch(/"level":"?(?:warn|error|40|50)/);
      const told = performance.now();
      server.kill(given('STOPSIGNAL')[0] as NodeJS.Signals);
      expect((await ended)[0]).toBe(0);
      expect(performance.now() - told).toBeLessThan(STOP_DEADLINE_MS);
    });

    it('says what it lacks when it is given no database', async () => {
      const server = image.spawn(words(given('ENTRYPOINT')[0]), { HOST: '127.0.0.1', PORT: '0' });
      let said = '';
      server.stderr?.on('data', (chunk: Buffer) => {
        said += chunk.toString();
      });
      expect((await once(server, 'close'))[0]).toBe(2);
      expect(said).toContain('set TIMESCALE_URL');
    });
  },
);

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { access, chown, cp, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import postgres, { type Options, type Sql } from 'postgres';
import { silentLog } from '../../src/kit/log.js';
import { readMigrations } from '../../src/kit/migrations.js';
import { postgresOptions, startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { migrate } from '../../src/store/migrate.js';

const run = promisify(execFile);

/** A database of its own for one test file. */
export interface TestDatabase {
  /** For `pg`; for `postgres` together with `options`. */
  readonly url: string;
  /** What `postgres(url, options)` needs beside the URL. */
  readonly options: Options<Record<string, never>>;
  /** The DATA_DIR (embedded) or the cluster's directory (real). */
  readonly dataDir: string;
  /** A new postgres.js client; ended by `stop`. */
  connect(options?: Options<Record<string, never>>): Sql;
  stop(): Promise<void>;
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const TIMESCALE_MIGRATIONS = join(ROOT, 'sql', 'timescale');
const MIGRATIONS = [TIMESCALE_MIGRATIONS, join(ROOT, 'sql', 'postgres')];
/** Databases made once and copied for each test: creating one takes seconds. */
const TEMPLATES = join(ROOT, 'node_modules', '.cache', 'candlecast');

/** An embedded TimescaleDB on a fresh directory, migrated. Start it once per test file (about 1.5 s). */
export async function testDatabase(): Promise<TestDatabase> {
  const dataDir = await testDataDir();
  const database = await startEmbeddedDatabase({ dataDir, log: silentLog });
  return client(database.url, dataDir, async () => {
    await database.stop();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  });
}

/** A fresh DATA_DIR with a migrated embedded database in it, not started. The caller removes it. */
export async function testDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'candlecast-test-'));
  await cp(await template(), dataDir, { recursive: true });
  return dataDir;
}

/** A data directory with a migrated database, made when it is missing. */
async function template(): Promise<string> {
  const path = join(TEMPLATES, `database-${await templateKey()}`);
  if (await exists(path)) return path;
  await mkdir(TEMPLATES, { recursive: true });
  const draft = await mkdtemp(join(TEMPLATES, 'draft-'));
  const database = await startEmbeddedDatabase({ dataDir: draft, log: silentLog });
  const sql = postgres(database.url, { ...postgresOptions(database.url), max: 1 });
  for (const directory of MIGRATIONS) await migrate({ sql, directory, log: silentLog });
  await sql.end();
  await database.stop();
  // Another test file may have been quicker.
  await rename(draft, path).catch(() => rm(draft, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

async function templateKey(): Promise<string> {
  const sets = await Promise.all(MIGRATIONS.map(readMigrations));
  const engine = await readFile(join(ROOT, 'node_modules', '@unni-craftsman', 'pglite', 'package.json'));
  const hash = createHash('sha256').update(engine);
  for (const { checksum } of sets.flatMap(({ migrations }) => migrations)) hash.update(checksum);
  return hash.digest('hex').slice(0, 16);
}

/**
 * A real PostgreSQL server on a Unix socket, without TimescaleDB and the migrations that need it.
 * @param fsync false is quicker and proves nothing about durability.
 * @throws when PostgreSQL's server programs are not installed.
 */
export async function realPostgres({ fsync = false }: { fsync?: boolean } = {}): Promise<TestDatabase> {
  const programs = await findPrograms();
  const user = await serverUser();
  const directory = await directoryOf(user);
  // With the owner: the server refuses the files of somebody else.
  await run('cp', ['-a', await plainTemplate(programs, user), join(directory, 'data')]);
  const server = spawn(
    join(programs, 'postgres'),
    ['-D', join(directory, 'data'), '-k', directory, '-h', '', '-F'].slice(0, fsync ? 6 : 7),
    {
      ...user,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  await untilAccepting(server);
  const url = `postgres://postgres@${encodeURIComponent(directory)}/postgres`;
  const database = client(url, directory, async () => {
    server.kill('SIGINT');
    if (server.exitCode === null) await once(server, 'exit');
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  });
  await migratePlain(database.connect({ max: 1 }));
  return database;
}

async function directoryOf(user: User): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-pg-'));
  if (user.uid !== undefined) await chown(directory, user.uid, user.gid);
  return directory;
}

/** A cluster as `initdb` leaves it, made when it is missing. */
async function plainTemplate(programs: string, user: User): Promise<string> {
  const path = join(
    TEMPLATES,
    `postgres-${createHash('sha256').update(`${programs} ${user.uid}`).digest('hex').slice(0, 16)}`,
  );
  if (await exists(path)) return path;
  await mkdir(TEMPLATES, { recursive: true });
  const draft = await directoryOf(user);
  const data = join(draft, 'data');
  await run(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-N', '-E', 'UTF8', '--locale=C'],
    user,
  );
  const beside = await mkdtemp(join(TEMPLATES, 'draft-'));
  await run('cp', ['-a', data, beside]);
  await rm(draft, { recursive: true, force: true, maxRetries: 5 });
  // Another test file may have been quicker.
  await rename(join(beside, 'data'), path).catch(() => {});
  await rm(beside, { recursive: true, force: true, maxRetries: 5 });
  return path;
}

const PLAIN_MIGRATIONS: ReadonlySet<string> = new Set(['tables', 'writers']);

async function migratePlain(sql: Sql): Promise<void> {
  const { migrations } = await readMigrations(TIMESCALE_MIGRATIONS);
  for (const { statements } of migrations.filter(({ name }) => PLAIN_MIGRATIONS.has(name)))
    for (const statement of statements) await sql.unsafe(statement);
}

function client(url: string, dataDir: string, stop: () => Promise<void>): TestDatabase {
  const clients: Sql[] = [];
  const options = { ...postgresOptions(url), onnotice: () => {} };
  return {
    url,
    options,
    dataDir,
    connect(more = {}) {
      const sql = postgres(url, { ...options, ...more });
      clients.push(sql);
      return sql;
    },
    async stop() {
      await Promise.all(clients.map((sql) => sql.end({ timeout: 1 })));
      await stop();
    },
  };
}

async function findPrograms(): Promise<string> {
  const base = '/usr/lib/postgresql';
  for (const version of (await readdir(base).catch(() => [])).sort().reverse()) {
    const path = join(base, version, 'bin');
    if (await exists(join(path, 'initdb'))) return path;
  }
  throw new Error('PostgreSQL is not installed in /usr/lib/postgresql: "apt-get install postgresql" brings it');
}

type User = { uid: number; gid: number } | { uid?: never; gid?: never };

/** PostgreSQL refuses to run as root. */
async function serverUser(): Promise<User> {
  if (process.getuid?.() !== 0) return {};
  const ids = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'nobody'])));
  const [uid, gid] = ids.map(({ stdout }) => Number(stdout));
  return uid === undefined || gid === undefined ? {} : { uid, gid };
}

/** Goes on reading what the server says: a full pipe would stop it. */
function untilAccepting(server: ChildProcess): Promise<void> {
  return new Promise((ready, failed) => {
    const said: string[] = [];
    server.once('error', failed);
    server.once('exit', () => failed(new Error(`PostgreSQL did not start: ${said.join('\n')}`)));
    if (server.stderr === null) throw new TypeError('the server has no stderr');
    createInterface({ input: server.stderr }).on('line', (line) => {
      if (said.push(line) > 100) said.shift();
      if (line.includes('ready to accept connections')) ready();
    });
  });
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

import { createInterface } from 'node:readline';
import { type Config, loadConfig } from '../config/config.js';
import { type FeedSpec, parseFeeds } from '../feed/spec.js';
import { systemClock } from '../kit/clock.js';
import { UserError } from '../kit/errors.js';
import type { Log } from '../kit/log.js';
import { Lifecycle, onSignals } from '../ops/lifecycle.js';
import { createLog } from '../ops/log.js';
import { ProgressLines } from '../ops/progress.js';
import type { UserRole } from '../wire/identity.js';
import { toStop } from './around.js';
import type { BackfillOptions } from './backfill.js';
import { endedByItself, migrateDatabase, openDatabase } from './database.js';
import { requireFreePort } from './port.js';
import { startJobs } from './store.js';
import { isWorker, primaryGone, tellPrimary } from './worker.js';
import { Workers } from './workers.js';

/** 1 is a failure of ours, 2 the operator's mistake. */
export const EXIT_OK = 0;
const EXIT_FAILURE = 1;
export const EXIT_USER = 2;

interface Ground {
  readonly config: Config<FeedSpec>;
  readonly log: Log;
  readonly progress: ProgressLines;
  readonly lifecycle: Lifecycle;
}

/** Runs a command to its end; errors meant for the operator are printed without a stack. */
async function run(work: (ground: Ground) => Promise<void>): Promise<void> {
  try {
    const config = loadConfig(parseFeeds);
    const terminal = process.stderr.isTTY === true;
    const log = createLog(config.logLevel, terminal, isWorker ? { workerPid: process.pid } : null);
    if (!isWorker) for (const warning of config.warnings) log.warn({}, warning);
    const progress = new ProgressLines(systemClock, (text) => process.stderr.write(text), terminal);
    const lifecycle = new Lifecycle(systemClock, log);
    try {
      await work({ config, log, progress, lifecycle });
    } catch (error) {
      await lifecycle.stop();
      throw error;
    }
  } catch (error) {
    process.exit(await report(error));
  }
}

/** A worker's primary says it once for all of them. @returns the exit code. */
async function report(error: unknown): Promise<number> {
  const isMistake = error instanceof UserError;
  if (isMistake && isWorker) await tellPrimary({ kind: 'mistake', text: error.message });
  else {
    const text = isMistake ? error.message : ((error as Error).stack ?? String(error));
    process.stderr.write(`candlecast: ${text}\n`);
  }
  return isMistake ? EXIT_USER : EXIT_FAILURE;
}

/** Resolves with the exit code when the process was told to stop and everything is stopped; rejects when a part failed. */
async function untilStopped({ lifecycle, log }: Ground, failed: Promise<never>): Promise<number> {
  const asked = new Promise<void>((resolve) => {
    onSignals(
      systemClock,
      (signal) => {
        log.info({ signal }, 'stopping');
        resolve();
      },
      () => process.exit(EXIT_FAILURE),
    );
  });
  await Promise.race([asked, failed, ...(isWorker ? [orphaned(log)] : [])]);
  if (await lifecycle.stop()) return EXIT_OK;
  log.warn({}, 'not everything stopped in time; what was acknowledged is on disk');
  return EXIT_FAILURE;
}

async function orphaned(log: Log): Promise<void> {
  await primaryGone();
  log.error({}, 'the process that started this worker is gone; stopping');
}

export function startCommand(): Promise<void> {
  return run(async (ground) => {
    const { config } = ground;
    if (config.workers > 1 && !isWorker) process.exit(await superviseWorkers(ground));
    // Loaded by whoever needs it: the other commands start in half the time.
    const { startServer } = await import('./server.js');
    const { port, failed } = await startServer({ ...ground, clock: systemClock });
    const stopped = untilStopped(ground, failed);
    if (isWorker) await tellPrimary({ kind: 'ready' });
    else sayReady(config.host, port);
    process.exit(await stopped);
  });
}

function sayReady(host: string, port: number): void {
  process.stdout.write(`Candlecast is ready: http://${host.includes(':') ? `[${host}]` : host}:${port}/\n`);
}

/** @returns the exit code, when a signal has stopped them all. @throws UserError */
async function superviseWorkers({ config, log }: Ground): Promise<number> {
  const port = await requireFreePort(config.host, config.port);
  const workers = new Workers({ count: config.workers, port, clock: systemClock, log });
  const stopped = new Promise<boolean>((resolve) => {
    onSignals(
      systemClock,
      (signal) => {
        log.info({ signal }, 'stopping the workers');
        resolve(workers.stop(signal));
      },
      () => {
        workers.kill();
        process.exit(EXIT_FAILURE);
      },
    );
  });
  const started = workers.start().then(() => sayReady(config.host, port));
  return (await Promise.race([stopped, started.then(() => stopped)])) ? EXIT_OK : EXIT_FAILURE;
}

export function serveDatabaseCommand(): Promise<void> {
  return run(async (ground) => {
    const { config, log, progress, lifecycle } = ground;
    const database = await openDatabase({ url: null, dataDir: config.dataDir, clock: systemClock, log, progress });
    await lifecycle.start(toStop('database', () => database.stop()));
    await migrateDatabase(database.url, log, progress);
    await startJobs({ ...ground, clock: systemClock }, database.url);
    process.stdout.write(`DATABASE_URL=${database.url}\n`);
    process.exit(await untilStopped(ground, endedByItself(database.exited, lifecycle)));
  });
}

/** `candlecast user create`: the first line of standard input is the password. */
export function createUserCommand(email: string, options: { readonly role: string }): Promise<void> {
  return run(async (ground) => {
    const { config, log, progress, lifecycle } = ground;
    const role = toRole(options.role);
    const database = await openDatabase({
      url: config.databaseUrl ?? config.timescaleUrl,
      dataDir: config.dataDir,
      clock: systemClock,
      log,
      progress,
    });
    await lifecycle.start(toStop('database', () => database.stop()));
    const { openRelational } = await import('./relational.js');
    const { createUser } = await import('../accounts/create-user.js');
    const sql = await openRelational({ ...ground, clock: systemClock }, database.url);
    const user = await createUser(sql, systemClock, { email, role, password: await readPassword() });
    process.stdout.write(`${user.email} is ${user.role}, id ${user.id}\n`);
    await lifecycle.stop();
    process.exit(EXIT_OK);
  });
}

function toRole(text: string): UserRole {
  const roles: readonly UserRole[] = ['user', 'publisher', 'admin'];
  const role = roles.find((name) => name === text);
  if (role === undefined) throw new UserError(`--role must be one of ${roles.join(', ')}`);
  return role;
}

async function readPassword(): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write('Password: ');
  for await (const line of createInterface({ input: process.stdin })) return line;
  throw new UserError('the password is missing: give it on standard input');
}

/** `candlecast backfill`: history of an exchange, for a server that does not run. */
export function backfillCommand(venue: string, symbol: string, options: BackfillOptions): Promise<void> {
  return run(async (ground) => {
    const { backfill } = await import('./backfill.js');
    const done = await backfill({ ...ground, clock: systemClock }, venue, symbol, options);
    const [from, to] = [new Date(done.from).toISOString(), new Date(done.to).toISOString()];
    const filled = done.gaps === 0 ? '' : `, ${done.gaps} gaps filled`;
    process.stdout.write(
      `${done.symbol}: ${done.minutes} minutes of ${done.trades} trades from ${from} to ${to}${filled}\n`,
    );
    await ground.lifecycle.stop();
    process.exit(EXIT_OK);
  });
}

export function migrateCommand(): Promise<void> {
  return run(async (ground) => {
    const { config, log, progress, lifecycle } = ground;
    const settings = { url: config.timescaleUrl, dataDir: config.dataDir, clock: systemClock, log, progress };
    const database = await openDatabase(settings);
    await lifecycle.start(toStop('database', () => database.stop()));
    const applied = await migrateDatabase(database.url, log, progress);
    process.stdout.write(applied === 0 ? 'The schema is up to date.\n' : `${applied} migrations applied.\n`);
    await lifecycle.stop();
    process.exit(0);
  });
}

/**
 * Entry of the database process: one TimescaleDB backend in WASM behind a private Unix socket. It belongs to the server
 * that forked it: when that goes, however it goes, the database is closed cleanly.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.js';
import { UserError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import { databasePath, makeDataDir, prepareDatabaseDirectory } from './database-directory.js';
import { type Engine, openEngine } from './engine.js';
import { Front } from './front.js';
import { type Order, type Report, SOCKET_NAME } from './ipc.js';
import { type Lock, takeLock } from './lock.js';
import { prepareSocketDirectory, socketDirectory } from './socket-directory.js';

const EXIT_FAILED = 1;

let lock: Lock | null = null;
let engine: Engine | null = null;
let front: Front | null = null;
/** Where it listens; null while it is not ours. */
let directory: string | null = null;
let closing = false;
let opening: Promise<void> = Promise.resolve();

const log: Log = {
  debug: (fields, text) => report({ type: 'log', level: 'debug', fields, text }),
  info: (fields, text) => report({ type: 'log', level: 'info', fields, text }),
  warn: (fields, text) => report({ type: 'log', level: 'warn', fields, text }),
  error: (fields, text) => report({ type: 'log', level: 'error', fields, text }),
};

function report(message: Report): void {
  // The server may go at any moment; its disconnect is handled.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

async function open(dataDir: string): Promise<void> {
  await makeDataDir(dataDir);
  const place = await socketDirectory(dataDir);
  const onProgress = (text: string) => report({ type: 'progress', text });
  lock = await takeLock(`${databasePath(dataDir)}.lock`, place, systemClock, onProgress);
  await prepareSocketDirectory(place);
  directory = place;
  const database = await prepareDatabaseDirectory(dataDir);
  report({
    type: 'progress',
    text: database.fresh ? 'creating the embedded database' : 'opening the embedded database',
  });
  engine = await openEngine(database.path);
  if (database.fresh) engine.rows('CHECKPOINT');
  await database.filled();
  front = new Front(engine, systemClock, log, died);
  await front.listen(join(place, SOCKET_NAME));
  report({ type: 'ready', directory: place });
}

function died(error: Error): void {
  log.error({ error: error.message }, 'the embedded database has failed');
  exit(EXIT_FAILED);
}

async function close(): Promise<void> {
  if (closing) return;
  closing = true;
  await opening;
  front?.stop();
  await engine?.close();
  removeDirectory();
  await lock?.release();
  exit(0);
}

/** While the lock is held: afterwards it may be the next one's. */
function removeDirectory(): void {
  if (directory !== null) rmSync(directory, { recursive: true, force: true });
  directory = null;
}

function exit(code: number): void {
  removeDirectory();
  // Reports that are under way are sent first.
  if (process.connected) process.disconnect();
  process.exitCode = code;
  setImmediate(() => process.exit());
}

async function fail(error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  closing = true;
  removeDirectory();
  await lock?.release();
  if (!process.connected) exit(EXIT_FAILED);
  process.send?.({ type: 'failed', message, forUser: error instanceof UserError } satisfies Report, () =>
    exit(EXIT_FAILED),
  );
}

function closeOrDie(): void {
  close().catch((error: unknown) => died(error instanceof Error ? error : new Error(String(error))));
}

// A terminal's Ctrl-C and a service manager's SIGTERM reach the whole group: the server decides when to close.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', closeOrDie);
process.on('message', (order: Order) => {
  if (order.type === 'start') opening = open(order.dataDir).catch(fail);
  else closeOrDie();
});

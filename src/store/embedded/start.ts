import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../kit/errors.js';
import type { Log } from '../../kit/log.js';
import type { Order, Report } from './ipc.js';
import { embeddedUrl } from './running.js';

export interface EmbeddedDatabase {
  /** Connection URL for `pg`, psql and, with `postgresOptions(url)` beside it, `postgres`. */
  readonly url: string;
  /** Of the database process. */
  readonly pid: number;
  /** Closes the database and waits for its process to end. */
  stop(): Promise<void>;
  /** Settles when the process has ended, asked to or not. `code` is null when a signal ended it. */
  readonly exited: Promise<{ readonly code: number | null }>;
}

export interface EmbeddedDatabaseOptions {
  /** The server's DATA_DIR; the database lives in `timescale` below it. */
  readonly dataDir: string;
  readonly log: Log;
  /** What is being done, for a person to read. */
  readonly onProgress?: (text: string) => void;
}

/** A database that will not close is killed; its write-ahead log makes it whole at the next start. */
const STOP_MAX_MS = 10_000;

/**
 * Starts embedded TimescaleDB in a process of its own and waits until it takes connections (3 s for a new directory, else 1 s).
 * @throws UserError when the directory is in use, cannot be written or is full, or when the optional package is missing.
 */
export async function startEmbeddedDatabase(options: EmbeddedDatabaseOptions): Promise<EmbeddedDatabase> {
  const child = forkDatabase();
  const exited = new Promise<{ code: number | null }>((settle) => {
    child.once('exit', (code) => settle({ code }));
  });
  forwardOutput(child, options.log);
  child.send({ type: 'start', dataDir: resolve(options.dataDir) } satisfies Order);
  const directory = await untilReady(child, options);
  return {
    url: embeddedUrl(directory),
    pid: child.pid ?? 0,
    exited,
    async stop() {
      const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MAX_MS);
      if (child.connected) child.send({ type: 'stop' } satisfies Order, () => {});
      await exited;
      clearTimeout(killer);
    },
  };
}

/** What `postgres` needs beside such a URL: it does not decode a socket directory in the place of the host. */
export function postgresOptions(url: string): { host?: string } {
  const host = /^postgres(?:ql)?:\/\/(?:[^@/]*@)?(%2f[^/:?]*)/i.exec(url)?.[1];
  return host === undefined ? {} : { host: decodeURIComponent(host) };
}

function forkDatabase(): ChildProcess {
  const self = fileURLToPath(import.meta.url);
  const fromSource = self.endsWith('.ts');
  const entry = fileURLToPath(new URL(fromSource ? './database-process.ts' : './database-process.js', import.meta.url));
  return fork(entry, { execArgv: fromSource ? ['--import', 'tsx'] : [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
}

function forwardOutput(child: ChildProcess, log: Log): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null)
      createInterface({ input: stream }).on('line', (line) => log.warn({ line }, 'embedded database'));
  }
}

/** The directory of the socket. */
function untilReady(child: ChildProcess, options: EmbeddedDatabaseOptions): Promise<string> {
  return new Promise((ready, failed) => {
    child.on('message', (report: Report) => {
      if (report.type === 'progress') options.onProgress?.(report.text);
      else if (report.type === 'log') options.log[report.level](report.fields, report.text);
      else if (report.type === 'ready') ready(report.directory);
      else
        failed(
          report.forUser
            ? new UserError(report.message)
            : new Error(`the embedded database did not open: ${report.message}`),
        );
    });
    child.once('error', failed);
    child.once('exit', (code, signal) =>
      failed(new Error(`the embedded database ended while it opened (${signal ?? `exit code ${code}`})`)),
    );
  });
}

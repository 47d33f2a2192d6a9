import { type ChildProcess, fork } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UserError } from '../errors.js';
import type { Log } from '../log.js';
import type { Order, Report } from './ipc.js';

/** A process with an embedded engine in it. */
export interface Child {
  /** Of its socket. */
  readonly directory: string;
  readonly pid: number;
  /** Closes the engine and waits for its process to end. */
  stop(): Promise<void>;
  /** Settles when the process has ended, asked to or not. `code` is null when a signal ended it. */
  readonly exited: Promise<{ readonly code: number | null }>;
}

export interface ChildOptions {
  /** Name of the process's entry beside `near`, without its ending; a bundle has all in one directory. */
  readonly entry: string;
  /** `import.meta.url` of whoever starts it. */
  readonly near: string;
  /** For messages: `embedded database`. */
  readonly what: string;
  readonly dataDir: string;
  readonly log: Log;
  /** What is being done, for a person to read. */
  readonly onProgress?: (text: string) => void;
}

/** An engine that will not close is killed; what it has on disk makes it whole at the next start. */
const STOP_MAX_MS = 10_000;

/** Forks it and waits until it takes connections. @throws UserError */
export async function startChild(options: ChildOptions): Promise<Child> {
  const child = forkEntry(options);
  const exited = new Promise<{ code: number | null }>((settle) => {
    child.once('exit', (code) => settle({ code }));
  });
  forwardOutput(child, options);
  child.send({ type: 'start', dataDir: resolve(options.dataDir) } satisfies Order);
  const directory = await untilReady(child, options);
  return {
    directory,
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

function forkEntry({ entry, near }: ChildOptions): ChildProcess {
  const fromSource = fileURLToPath(near).endsWith('.ts');
  const file = fileURLToPath(new URL(`./${entry}.${fromSource ? 'ts' : 'js'}`, near));
  return fork(file, { execArgv: fromSource ? ['--import', 'tsx'] : [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
}

function forwardOutput(child: ChildProcess, { log, what }: ChildOptions): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream }).on('line', (line) => log.warn({ line }, what));
  }
}

/** The directory of the socket. */
function untilReady(child: ChildProcess, { what, log, onProgress }: ChildOptions): Promise<string> {
  return new Promise((ready, failed) => {
    child.on('message', (report: Report) => {
      if (report.type === 'progress') onProgress?.(report.text);
      else if (report.type === 'log') log[report.level](report.fields, report.text);
      else if (report.type === 'ready') ready(report.directory);
      else
        failed(
          report.forUser ? new UserError(report.message) : new Error(`the ${what} did not open: ${report.message}`),
        );
    });
    child.once('error', failed);
    child.once('exit', (code, signal) =>
      failed(new Error(`the ${what} ended while it opened (${signal ?? `exit code ${code}`})`)),
    );
  });
}

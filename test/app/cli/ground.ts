import type { Ground } from '../../../src/app/cli/run.js';
import { loadConfig } from '../../../src/config/config.js';
import { parseFeeds } from '../../../src/feed/spec.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { Lifecycle } from '../../../src/ops/lifecycle.js';
import { ProgressLines } from '../../../src/ops/progress.js';
import type { Environment } from '../../support/server.js';

export interface Done {
  readonly out: string;
  readonly err: string;
}

/** Runs the work of a command in this process, as `run` does but for the exit. @returns what it wrote. Rejects as it does. */
export async function work(env: Environment, command: (ground: Ground) => Promise<unknown>): Promise<Done> {
  const lifecycle = new Lifecycle(systemClock, silentLog);
  const ground: Ground = {
    config: loadConfig(parseFeeds, env),
    clock: systemClock,
    log: silentLog,
    progress: new ProgressLines(systemClock, () => {}, false),
    lifecycle,
  };
  const said = { out: '', err: '' };
  const restore = [
    capture(process.stdout, (text) => (said.out += text)),
    capture(process.stderr, (text) => (said.err += text)),
  ];
  try {
    await command(ground);
  } finally {
    await lifecycle.stop();
    for (const undo of restore) undo();
  }
  return said;
}

function capture(stream: NodeJS.WriteStream, take: (text: string) => void): () => void {
  const { write } = stream;
  stream.write = (chunk: string | Uint8Array) => {
    take(String(chunk));
    return true;
  };
  return () => {
    stream.write = write;
  };
}

/** The data of a command with `--json`: all that it wrote to standard output is one document. */
export async function json<T>(env: Environment, command: (ground: Ground) => Promise<unknown>): Promise<T> {
  return JSON.parse((await work(env, command)).out) as T;
}

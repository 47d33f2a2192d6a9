import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Environment, Program, type Server } from '../support/server.js';

const run = promisify(execFile);
const POLL_MS = 50;

/** Directories and mounts of one test file. */
export class Places {
  readonly #undo: (() => Promise<unknown>)[] = [];

  async directory(): Promise<string> {
    const path = await mkdtemp(join(tmpdir(), 'candlecast-app-'));
    this.keep(path);
    return path;
  }

  keep(path: string): void {
    this.#undo.push(() => rm(path, { recursive: true, force: true, maxRetries: 5 }));
  }

  /** A file system of its own; null where mounting is not allowed. */
  async mount(options: string): Promise<string | null> {
    const path = await this.directory();
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', path]).catch(() => null);
    if (mounted === null) return null;
    this.#undo.push(() => run('umount', ['-l', path]));
    return path;
  }

  async clear(): Promise<void> {
    for (const undo of this.#undo.reverse()) await undo();
  }
}

/** Asks until the answer is right. Rejects with the last answer after `withinMs`. */
export async function eventually<T>(
  ask: () => Promise<T> | T,
  right: (answer: T) => boolean,
  withinMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (Date.now() > deadline) throw new Error(`still not right: ${JSON.stringify(answer)?.slice(0, 2000)}`);
    await pause(POLL_MS);
  }
}

/** Runs the program to its end. A mistake of the operator has no stack in what it prints. */
export async function ended(args: readonly string[], env: Environment): Promise<{ code: number | null; said: string }> {
  const program = new Program(args, { PORT: '0', ...env });
  const code = await program.exited();
  return { code, said: program.output };
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export async function get<T>(server: Server, path: string, init: RequestInit = {}): Promise<Answer<T>> {
  const response = await fetch(`${server.url}${path}`, { ...init, signal: AbortSignal.timeout(15_000) });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') === true;
  return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
}

export interface PushAnswer {
  readonly accepted: number;
  readonly duplicates: number;
  readonly corrected: number;
  readonly rejected: readonly { index: number; code: string; reason: string }[];
  readonly detail?: string;
}

export function post(
  server: Server,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  query = '',
): Promise<Answer<PushAnswer>> {
  return get(server, `/v1/trades${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** The value of a metric, given as it stands on the page: `name` or `name{label="value"}`. */
export async function metric(server: Server, name: string): Promise<number> {
  const { body } = await get<string>(server, '/metrics');
  const line = body.split('\n').find((text) => text.startsWith(`candlecast_${name} `));
  return Number(line?.split(' ').at(-1) ?? Number.NaN);
}

/** The structured log lines. */
export function logged(program: Program): Record<string, unknown>[] {
  return program.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Another build is tested with CANDLECAST_DIST. */
const DIST = process.env.CANDLECAST_DIST ?? fileURLToPath(new URL('../../dist', import.meta.url));
const MAIN = join(DIST, 'main.js');
export type Environment = Readonly<Record<string, string>>;

/** The built program as a user runs it. */
export class Program {
  output = '';
  readonly child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #listeners: (() => void)[] = [];

  /** @param input what it reads from its standard input. */
  constructor(args: readonly string[], env: Environment, input = '') {
    const inherited = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
    this.child = spawn(process.execPath, [MAIN, ...args], {
      env: { ...inherited, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.end(input);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString();
        this.#wake();
      });
    }
    this.#exited = once(this.child, 'close').then(([code]) => {
      this.#wake();
      return code as number | null;
    });
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }

  /** The first match in what it prints. Rejects when it ends before. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.output);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`the program ended with ${this.child.exitCode ?? this.child.signalCode}:\n${this.output}`);
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  exited(): Promise<number | null> {
    return this.#exited;
  }

  /** @returns the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.#exited;
  }
}

/** A running server. */
export class Server extends Program {
  port = 0;

  /** Resolves when it is ready. PORT 0 (the default) takes a free one. */
  static async start(env: Environment): Promise<Server> {
    const server = new Server(['start'], { PORT: '0', HOST: '127.0.0.1', ...env });
    server.port = Number((await server.printed(/ready: http:\/\/[^:]+:(\d+)\//))[1]);
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async json<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }
}

/** `candlecast db`: the embedded database in a process of its own. */
export class DatabaseServer extends Program {
  url = '';

  static async start(dataDir: string): Promise<DatabaseServer> {
    const server = new DatabaseServer(['db'], { DATA_DIR: dataDir });
    server.url = (await server.printed(/DATABASE_URL=(\S+)\n/))[1] ?? '';
    return server;
  }

  /** Pid of the process that is the database: `candlecast db` only looks after it. */
  async engine(): Promise<number> {
    const { pid } = this.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    return Number(children.trim().split(' ')[0]);
  }
}

/** A free port below those that the system gives to outgoing connections, so that nobody takes it while the server restarts. */
export async function restartablePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen({ host: '127.0.0.1', port, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}

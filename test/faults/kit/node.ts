import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { metric } from '../../app/support.js';
import { type Environment, restartablePort, Server } from '../../support/server.js';
import { within } from './within.js';

const READY_WITHIN_MS = 30_000;

/** One node of a cluster: a process that is started again with the same port and directory. */
export class ClusterNode {
  /** Deaths that nobody asked for. */
  readonly faults: string[] = [];
  readonly #directory: string;
  readonly #env: Environment;
  #server: Server | null = null;
  #output = '';
  #expected = false;

  private constructor(
    readonly name: string,
    readonly port: number,
    directory: string,
    env: Environment,
  ) {
    this.#directory = directory;
    this.#env = env;
  }

  static async create(name: string, env: Environment): Promise<ClusterNode> {
    const directory = await mkdtemp(join(tmpdir(), `candlecast-${name}-`));
    return new ClusterNode(name, await restartablePort(), directory, env);
  }

  /** Resolves when it says that it is ready. */
  async start(): Promise<void> {
    this.#output += this.#server?.output ?? '';
    this.#expected = false;
    const env = { ...this.#env, HOST: '127.0.0.1', PORT: String(this.port), DATA_DIR: this.#directory };
    const server = new Server(['start'], env);
    server.port = this.port;
    this.#server = server;
    void server.exited().then((code) => {
      if (server !== this.#server || this.#expected) return;
      this.faults.push(`${this.name} died by itself: ${code ?? server.child.signalCode}`);
    });
    await within(READY_WITHIN_MS, `${this.name} ready`, server.printed(/ready: http:/));
  }

  get server(): Server {
    if (this.#server === null) throw new Error(`${this.name} was never started`);
    return this.#server;
  }

  get running(): boolean {
    const child = this.#server?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  get log(): string {
    return this.#output + (this.#server?.output ?? '');
  }

  async kill(): Promise<void> {
    this.#expected = true;
    await this.server.stop('SIGKILL');
  }

  freeze(): void {
    this.server.child.kill('SIGSTOP');
  }

  thaw(): void {
    this.server.child.kill('SIGCONT');
  }

  /** SIGTERM. @returns the exit code. */
  async drain(): Promise<number | null> {
    this.#expected = true;
    return this.server.stop('SIGTERM');
  }

  metric(name: string): Promise<number> {
    return metric(this.server, name);
  }

  async remove(): Promise<void> {
    this.#expected = true;
    if (this.running) {
      this.thaw();
      await this.server.stop('SIGKILL');
    }
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { restartablePort } from './server.js';

export interface RedisServerOptions {
  /** Further command line arguments, such as '--maxmemory', '2mb'; a later one wins over the defaults. */
  readonly args?: readonly string[];
  /** Lines of sentinel.conf: the server is a sentinel. */
  readonly sentinel?: readonly string[];
  /** Files to put beside it, by name; `{dir}` in `args` stands for where they are. */
  readonly files?: Readonly<Record<string, string>>;
  readonly port?: number;
  /** How to tell that it is there; default: `cli('PING')` answers. */
  readonly cliArgs?: readonly string[];
}

/** A real redis-server in a directory of its own, on 127.0.0.1, that keeps nothing over a restart. */
export class RedisServer {
  readonly port: number;
  readonly dir: string;
  readonly #options: RedisServerOptions;
  #child: ChildProcess | null = null;
  #output = '';

  private constructor(port: number, dir: string, options: RedisServerOptions) {
    this.port = port;
    this.dir = dir;
    this.#options = options;
  }

  static async start(options: RedisServerOptions = {}): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const dir = await mkdtemp(join(tmpdir(), 'candlecast-redis-'));
      const server = new RedisServer(options.port ?? (await restartablePort()), dir, options);
      for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(dir, name), text);
      try {
        await server.#spawn();
        return server;
      } catch (error) {
        await server.stop();
        // Somebody else was quicker to take the port.
        if (attempt === 5 || !server.#output.includes('Address already in use')) throw error;
      }
    }
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Everything it printed since it started last. */
  get output(): string {
    return this.#output;
  }

  /** A connection of the test's own, to look and to disturb; `quit` it. */
  client(): Redis {
    return new Redis({ port: this.port, host: '127.0.0.1', lazyConnect: false });
  }

  /** Runs redis-cli. @returns what it prints, without the last line end. Rejects when it fails. */
  async cli(...args: string[]): Promise<string> {
    const child = spawn('redis-cli', ['-p', String(this.port), ...(this.#options.cliArgs ?? []), ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`redis-cli ${args.join(' ')}: ${output}`);
    return output.replace(/\n$/, '');
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
  }

  /** On the same port; without `kill` before it is killed. Empty, unless its args keep something. */
  async restart(): Promise<void> {
    await this.kill();
    await this.#spawn();
  }

  /** SIGSTOP: it is there but does not answer. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }

  async #spawn(): Promise<void> {
    this.#output = '';
    const child = spawn('redis-server', await this.#args(), { stdio: ['ignore', 'pipe', 'pipe'], cwd: this.dir });
    this.#child = child;
    const ready = new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer) => {
        this.#output += chunk.toString();
        if (/Ready to accept connections|monitor master/.test(this.#output)) resolve();
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('close', () => reject(new Error(`redis-server ended:\n${this.#output}`)));
      child.once('error', (error: NodeJS.ErrnoException) => {
        const missing =
          'redis-server is not on the PATH: install Redis 6.2 or newer (Debian: apt-get install redis-server)';
        reject(error.code === 'ENOENT' ? new Error(missing) : error);
      });
    });
    await ready;
  }

  async #args(): Promise<string[]> {
    const own = (this.#options.args ?? []).map((arg) => arg.replaceAll('{dir}', this.dir));
    const base = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir];
    if (this.#options.sentinel === undefined) return [...base, '--save', '', '--appendonly', 'no', ...own];
    const conf = join(this.dir, 'sentinel.conf');
    await writeFile(conf, `${this.#options.sentinel.join('\n')}\n`);
    return [conf, '--sentinel', ...base, ...own];
  }
}

/** A Redis Cluster of masters without replicas. */
export class RedisClusterServers {
  private constructor(readonly nodes: readonly RedisServer[]) {}

  static async start(size = 3): Promise<RedisClusterServers> {
    const nodes: RedisServer[] = [];
    try {
      while (nodes.length < size) nodes.push(await RedisServer.start(await clusterNode()));
      const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`);
      await nodes[0]?.cli('--cluster', 'create', ...addresses, '--cluster-replicas', '0', '--cluster-yes');
      for (const node of nodes) await clusterReady(node, size);
      return new RedisClusterServers(nodes);
    } catch (error) {
      for (const node of nodes) await node.stop();
      throw error;
    }
  }

  get url(): string {
    return `redis-cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
}

/** A master, its replica and one sentinel that is enough to decide. */
export class RedisSentinelServers {
  private constructor(
    readonly master: RedisServer,
    readonly replica: RedisServer,
    readonly sentinel: RedisServer,
  ) {}

  static async start(): Promise<RedisSentinelServers> {
    const master = await RedisServer.start();
    const replica = await RedisServer.start({
      args: ['--replicaof', `127.0.0.1 ${master.port}`, '--repl-diskless-sync-delay', '0'],
    });
    const info = replica.client();
    await until(async () => (await info.info('replication')).includes('master_link_status:up'));
    info.disconnect();
    const sentinel = await RedisServer.start({
      sentinel: [
        `sentinel monitor main 127.0.0.1 ${master.port} 1`,
        'sentinel down-after-milliseconds main 1500',
        'sentinel failover-timeout main 5000',
      ],
    });
    const watch = sentinel.client();
    await until(async () => ((await watch.call('sentinel', 'replicas', 'main')) as unknown[]).length === 1);
    watch.disconnect();
    return new RedisSentinelServers(master, replica, sentinel);
  }

  get url(): string {
    return `redis-sentinel://127.0.0.1:${this.sentinel.port}/main`;
  }

  async stop(): Promise<void> {
    await Promise.all([this.sentinel, this.replica, this.master].map((server) => server.stop()));
  }
}

/** The port of the cluster's own bus must be free as well: it is chosen as far away as the data port allows. */
async function clusterNode(): Promise<RedisServerOptions> {
  const busPort = await restartablePort();
  const args = ['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', '2000'];
  return { args };
}

async function clusterReady(node: RedisServer, size: number): Promise<void> {
  const client = node.client();
  await until(async () => {
    const info = (await client.call('cluster', 'info')) as string;
    return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${size}`);
  });
  client.disconnect();
}

/** Other processes tell nothing when they get there: they are asked until they have. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it does not get there');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

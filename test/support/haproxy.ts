import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { eventually } from '../app/support.js';
import { restartablePort } from './server.js';

/** Servers of the configuration, by name, and where each is here. */
export type Targets = Readonly<Record<string, number>>;

/** It is in sbin, which is not on everybody's path. */
const env = { ...process.env, PATH: [process.env.PATH, '/usr/sbin'].join(delimiter) };

/** What HAProxy says of a configuration file; '' = nothing to complain about. */
export function checkHaproxyConfig(path: string): string {
  const { status, error, stderr } = spawnSync('haproxy', ['-c', '-q', '-f', path], { encoding: 'utf8', env });
  if (error !== undefined) throw error;
  return status === 0 ? '' : stderr;
}

/** A real HAProxy with the configuration that is shipped, but for where it listens and where its servers are. */
export class Haproxy {
  private constructor(
    private readonly child: ChildProcess,
    private readonly directory: string,
    readonly port: number,
    private readonly metricsPort: number,
    private readonly targets: Targets,
  ) {}

  /** Resolves when every server is up. */
  static async start(config: string, targets: Targets): Promise<Haproxy> {
    const directory = await mkdtemp(join(tmpdir(), 'candlecast-haproxy-'));
    const [port, metricsPort] = [await restartablePort(), await restartablePort()];
    const path = join(directory, 'haproxy.cfg');
    await writeFile(path, localised(config, port, metricsPort, targets));
    const child = spawn('haproxy', ['-db', '-f', path], { env, stdio: 'ignore' });
    const haproxy = new Haproxy(child, directory, port, metricsPort, targets);
    await haproxy.untilUp(Object.keys(targets));
    return haproxy;
  }

  /** Resolves when these are the servers that are ready. */
  async untilUp(names: readonly string[]): Promise<void> {
    await eventually(
      () => this.#up(),
      (up) => up.join() === [...names].sort().join(),
    );
  }

  async #up(): Promise<string[]> {
    const page = await fetch(`http://127.0.0.1:${this.metricsPort}/metrics`).then(
      (response) => response.text(),
      () => '',
    );
    return Object.keys(this.targets)
      .filter((name) =>
        new RegExp(`^haproxy_server_status\\{proxy="(?!living)\\w+",server="${name}",state="UP"\\} 1$`, 'm').test(page),
      )
      .sort();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    if (this.child.exitCode === null && this.child.kill('SIGKILL')) await ended;
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @throws when the configuration has other places and servers than are replaced here. */
function localised(config: string, port: number, metricsPort: number, targets: Targets): string {
  const left = new Set(Object.keys(targets));
  const text = config
    .replace('maxconn 100000', 'maxconn 1000')
    .replace(/^resolvers docker\n(?: .*\n)+/m, '')
    .replace(' resolvers docker init-addr libc,none', '')
    .replace(/^( +bind) :8080$/m, `$1 127.0.0.1:${port}`)
    .replace(/^( +bind) :8405$/m, `$1 127.0.0.1:${metricsPort}`)
    .replace(/^( +server (\S+)) \2:8080$/gm, (_, start: string, name: string) => {
      if (targets[name] === undefined) return '';
      left.delete(name);
      return `${start} 127.0.0.1:${targets[name]}`;
    });
  if (left.size > 0 || /bind :|:8080|resolvers/.test(text)) throw new Error(`not all was replaced:\n${text}`);
  return text;
}

/** A child pinned to one core that answers each command with one message. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export type Reply = Readonly<Record<string, number | string>>;

export class Worker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, { resolve: (reply: Reply) => void; reject: (error: Error) => void }>();
  #failure: Error | null = null;

  /** `idle`: it runs only when nobody else wants its core. */
  constructor(
    script: string,
    core: number,
    nodeOptions: readonly string[] = [],
    args: readonly string[] = [],
    idle = false,
  ) {
    const file = fileURLToPath(new URL(script, import.meta.url));
    const node = [process.execPath, '--expose-gc', ...nodeOptions, '--import', 'tsx', file, ...args];
    // Thousands of sockets: take all the descriptors the system allows.
    const shell =
      'ulimit -n "$(ulimit -Hn)"; core=$0; command -v taskset >/dev/null && exec taskset -c "$core" "$@"; exec "$@"';
    const policy = idle ? ['chrt', '--idle', '0'] : [];
    const [command = 'bash', ...rest] = [...policy, 'bash', '-c', shell, String(core), ...node];
    this.#child = spawn(command, rest, {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child.on('message', (message: Reply) => this.#take(message));
    this.#child.on('exit', (code) => this.#fail(new Error(`${script} exited with ${code}`)));
  }

  /** The reply named `re`, which may be on its way already only when `command` is given. */
  ask(re: string, command?: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) {
        reject(this.#failure);
        return;
      }
      this.#waiting.set(re, { resolve, reject });
      if (command !== undefined) this.#child.send(command);
    });
  }

  async stop(): Promise<void> {
    this.#waiting.clear();
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await exit;
  }

  #take(message: Reply): void {
    if (message.re === 'failed') {
      this.#fail(new Error(String(message.message)));
      return;
    }
    const re = String(message.re);
    this.#waiting.get(re)?.resolve(message);
    this.#waiting.delete(re);
  }

  #fail(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

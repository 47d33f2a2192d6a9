import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.js';
import { UserError } from '../errors.js';
import type { Log } from '../log.js';
import type { Order, Report } from './ipc.js';
import { type Lock, takeLock } from './lock.js';
import { prepareSocketDirectory, type SocketKind, socketDirectory } from './socket-directory.js';

/** What an engine is opened with. */
export interface Room {
  readonly dataDir: string;
  /** Where to listen. */
  readonly socket: string;
  readonly log: Log;
  progress(text: string): void;
  /** The engine is of no use any more: the process ends, loudly. */
  died(error: Error): void;
}

export interface Engine {
  close(): Promise<void>;
}

export interface Hosting {
  readonly kind: SocketKind;
  /** Of the engine's own directory. */
  lockFile(dataDir: string): string;
  /** Before anything else; throws UserError where there is no place for it. */
  prepare(dataDir: string): Promise<void>;
  /** Opens the engine and lets it listen. */
  open(room: Room): Promise<Engine>;
}

const EXIT_FAILED = 1;

/**
 * The life of a process that holds one embedded engine behind a private Unix socket: it belongs to the server that forked it, and
 * when that goes, however it goes, the engine is closed cleanly.
 */
export function host(hosting: Hosting): void {
  const guest = new Host(hosting);
  // A terminal's Ctrl-C and a service manager's SIGTERM reach the whole group: the server decides when to close.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => guest.closeOrDie());
  process.on('message', (order: Order) => {
    if (order.type === 'start') guest.start(order.dataDir);
    else guest.closeOrDie();
  });
}

class Host {
  #lock: Lock | null = null;
  #engine: Engine | null = null;
  /** Where it listens; null while it is not ours. */
  #directory: string | null = null;
  #closing = false;
  #opening: Promise<void> = Promise.resolve();
  readonly #hosting: Hosting;
  readonly #log: Log = {
    debug: (fields, text) => report({ type: 'log', level: 'debug', fields, text }),
    info: (fields, text) => report({ type: 'log', level: 'info', fields, text }),
    warn: (fields, text) => report({ type: 'log', level: 'warn', fields, text }),
    error: (fields, text) => report({ type: 'log', level: 'error', fields, text }),
  };

  constructor(hosting: Hosting) {
    this.#hosting = hosting;
  }

  start(dataDir: string): void {
    this.#opening = this.#open(dataDir).catch((error: unknown) => this.#fail(error));
  }

  closeOrDie(): void {
    this.#close().catch((error: unknown) => this.#died(error instanceof Error ? error : new Error(String(error))));
  }

  async #open(dataDir: string): Promise<void> {
    const { kind, lockFile, prepare, open } = this.#hosting;
    await prepare(dataDir);
    const directory = await socketDirectory(dataDir, kind);
    const progress = (text: string) => report({ type: 'progress', text });
    this.#lock = await takeLock(lockFile(dataDir), directory, systemClock, progress);
    await prepareSocketDirectory(directory, kind);
    this.#directory = directory;
    const died = (error: Error) => this.#died(error);
    this.#engine = await open({ dataDir, socket: join(directory, kind.socket), log: this.#log, progress, died });
    report({ type: 'ready', directory });
  }

  #died(error: Error): void {
    this.#log.error({ error: error.message }, 'the embedded engine has failed');
    this.#exit(EXIT_FAILED);
  }

  async #close(): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    await this.#opening;
    await this.#engine?.close();
    this.#removeDirectory();
    await this.#lock?.release();
    this.#exit(0);
  }

  async #fail(error: unknown): Promise<void> {
    const message = error instanceof Error ? error.message : String(error);
    this.#closing = true;
    this.#removeDirectory();
    await this.#lock?.release();
    if (!process.connected) this.#exit(EXIT_FAILED);
    process.send?.({ type: 'failed', message, forUser: error instanceof UserError } satisfies Report, () =>
      this.#exit(EXIT_FAILED),
    );
  }

  /** While the lock is held: afterwards it may be the next one's. */
  #removeDirectory(): void {
    if (this.#directory !== null) rmSync(this.#directory, { recursive: true, force: true });
    this.#directory = null;
  }

  #exit(code: number): void {
    this.#removeDirectory();
    // Reports that are under way are sent first.
    if (process.connected) process.disconnect();
    process.exitCode = code;
    setImmediate(() => process.exit());
  }
}

function report(message: Report): void {
  // The server may go at any moment; its disconnect is handled.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}

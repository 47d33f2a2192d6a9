import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { postgresOptions } from '../../../src/store/embedded/start.js';
import { testDataDir } from '../../support/database.js';
import { DatabaseServer } from '../../support/server.js';
import { FaultProxy } from './proxy.js';

const SOCKET = '.s.PGSQL.5432';

/** The embedded TimescaleDB, served by `candlecast db`, behind a proxy: one address whatever becomes of it. */
export class ClusterDatabase {
  #server: DatabaseServer | null = null;
  #output = '';

  private constructor(
    readonly proxy: FaultProxy,
    public dataDir: string,
  ) {}

  static async start(): Promise<ClusterDatabase> {
    const database = new ClusterDatabase(await FaultProxy.to({ path: '/' }), await testDataDir());
    await database.start();
    return database;
  }

  /** Starts it again after `kill`. */
  async start(): Promise<void> {
    this.#output += this.#server?.output ?? '';
    this.#server = await DatabaseServer.start(this.dataDir);
    this.proxy.target = { path: join(postgresOptions(this.#server.url).host ?? '', SOCKET) };
  }

  /** Serves another directory at the same address. Call after `kill`. */
  async startOn(dataDir: string): Promise<void> {
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
    this.dataDir = dataDir;
    await this.start();
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.proxy.port}/template1`;
  }

  get log(): string {
    return this.#output + (this.#server?.output ?? '');
  }

  /** Past the proxy. The caller ends it. */
  connect(): Sql {
    const url = this.#running().url;
    return postgres(url, { ...postgresOptions(url), max: 1, onnotice: () => {} });
  }

  async kill(): Promise<void> {
    process.kill(await this.#running().engine(), 'SIGKILL');
    await this.#running().exited();
  }

  async freeze(): Promise<void> {
    process.kill(await this.#running().engine(), 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    process.kill(await this.#running().engine(), 'SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.#server?.child.exitCode === null) await this.kill();
    await this.proxy.stop();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  #running(): DatabaseServer {
    if (this.#server === null) throw new Error('the database was never started');
    return this.#server;
  }
}

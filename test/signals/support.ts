import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../../src/kit/log.js';
import type { Audience } from '../../src/signals/audience.js';
import { newSignalId } from '../../src/signals/ids.js';
import type { NewSignal } from '../../src/signals/signal.js';
import type { Sql } from '../../src/signals/sql.js';
import { migrate } from '../../src/store/migrate.js';
import { openPool, type Pool } from '../../src/store/relational.js';
import { realPostgres, type TestDatabase, testDatabase } from '../support/database.js';

const MIGRATIONS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'sql', 'postgres');

export type Engine = 'PostgreSQL' | 'embedded';

/** A database with the relational tables, and users. */
export class SignalsDatabase {
  readonly #pools: Pool[] = [];
  #users = 0;

  private constructor(
    readonly database: TestDatabase,
    readonly sql: Pool,
  ) {}

  static async start(engine: Engine): Promise<SignalsDatabase> {
    const database = engine === 'embedded' ? await testDatabase() : await realPostgres();
    const migrator = database.connect({ max: 1 });
    await migrate({ sql: migrator, directory: MIGRATIONS, log: silentLog });
    // Times must be right wherever the server is.
    if (engine === 'PostgreSQL') await migrator`ALTER ROLE postgres SET timezone = 'Asia/Tokyo'`;
    return new SignalsDatabase(database, openPool({ url: database.url, log: silentLog }));
  }

  /** Connections of another node. */
  pool(max = 4): Pool {
    const pool = openPool({ url: this.database.url, log: silentLog, max });
    this.#pools.push(pool);
    return pool;
  }

  /** Ids of new users, ascending. */
  async users(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, newSignalId).sort();
    const emails = ids.map(() => `user${this.#users++}@example.com`);
    await this.sql.query(
      `INSERT INTO users (id, email, password_hash) SELECT *, 'x' FROM unnest($1::uuid[], $2::text[])`,
      [ids, emails],
    );
    return ids;
  }

  async user(): Promise<string> {
    return (await this.users(1))[0] ?? '';
  }

  async stop(): Promise<void> {
    await Promise.all([this.sql, ...this.#pools].map((pool) => pool.close()));
    await this.database.stop();
  }
}

export function signalFor(userId: string, more: Partial<NewSignal> = {}): NewSignal {
  return {
    id: newSignalId(),
    userId,
    type: 'breakout',
    symbol: 'BTCUSDT',
    data: { price: '8321.50000000' },
    expiresAt: null,
    source: 'publisher',
    ruleId: null,
    publisherId: null,
    corrects: null,
    dailyLimit: 1_000_000,
    ...more,
  };
}

/** Every user there is, in pages of seven. */
export function audienceOf(sql: Sql, signalsPerDay: number): Audience {
  return {
    async *recipients(_, after) {
      for (let from = after; ; ) {
        const { rows } = await sql.query<{ id: string }>(
          'SELECT id FROM users WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT 7',
          [from],
        );
        if (rows.length === 0) return;
        yield rows.map(({ id }) => ({ userId: id, signalsPerDay }));
        from = rows.at(-1)?.id ?? null;
      }
    },
  };
}

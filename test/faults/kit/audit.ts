import type { Redis } from 'ioredis';
import type { Sql } from 'postgres';
import type { RedisServer } from '../../support/redis.js';
import type { ClusterDatabase } from './cluster-database.js';

const AUDIT = [
  'CREATE TABLE IF NOT EXISTS fault_audit (symbol text, epoch bigint, at timestamptz DEFAULT clock_timestamp())',
  // Each statement of a volatile function sees what is committed by then: the row's own statement may have begun long before.
  `CREATE OR REPLACE FUNCTION fault_audit() RETURNS trigger LANGUAGE plpgsql VOLATILE AS $$
   BEGIN
     IF NOT EXISTS (SELECT FROM writers WHERE epoch = NEW.epoch) THEN
       INSERT INTO fault_audit (symbol, epoch) VALUES (NEW.symbol, NEW.epoch);
     END IF;
     RETURN NEW;
   END $$`,
  'CREATE OR REPLACE TRIGGER fault_audit BEFORE INSERT OR UPDATE ON ohlcv FOR EACH ROW EXECUTE FUNCTION fault_audit()',
];

/** Notes, in the database itself, every row that was written under an epoch that is not current. */
export async function auditWrites(database: ClusterDatabase): Promise<void> {
  const sql = database.connect();
  try {
    for (const statement of AUDIT) await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

export async function supersededWrites(sql: Sql): Promise<string[]> {
  const rows = await sql<{ symbol: string; epoch: string; count: number }[]>`
    SELECT symbol, epoch, count(*)::int AS count FROM fault_audit GROUP BY symbol, epoch ORDER BY epoch LIMIT 20`;
  return rows.map(
    ({ symbol, epoch, count }) => `${count} rows of ${symbol} written under the superseded epoch ${epoch}`,
  );
}

/** Reads everything that is published on candle channels, and notes what is of an older epoch than something before. */
export class PublishWatch {
  readonly faults: string[] = [];
  messages = 0;
  readonly #epochs = new Map<string, number>();

  private constructor(private readonly redis: Redis) {}

  static async start(server: RedisServer, prefix = ''): Promise<PublishWatch> {
    const watch = new PublishWatch(server.client());
    watch.redis.on('pmessage', (_pattern, channel: string, message: string) => watch.#read(channel, message));
    await watch.redis.psubscribe(`${prefix}live:*`);
    return watch;
  }

  /** A round trip: everything published before is counted. */
  async sync(): Promise<void> {
    await this.redis.ping();
  }

  stop(): void {
    this.redis.disconnect();
  }

  #read(channel: string, message: string): void {
    this.messages++;
    for (const [, text] of message.matchAll(/"epoch":(\d+)/g)) {
      const epoch = Number(text);
      const newest = this.#epochs.get(channel) ?? 0;
      if (epoch < newest) this.faults.push(`${channel}: published under epoch ${epoch}, after ${newest}`);
      this.#epochs.set(channel, Math.max(epoch, newest));
    }
  }
}

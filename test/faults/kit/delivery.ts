import type { Sql } from '../../../src/store/relational.js';
import type { SignalClient } from './signal-client.js';

interface Row {
  readonly id: string;
  readonly user_id: string;
  readonly seq: number;
  readonly n: string | null;
}

/** What is stored, by user. */
export class Stored {
  /** Place by id, of each user. */
  readonly places = new Map<string, ReadonlyMap<string, number>>();
  readonly size: number;
  readonly #byPublishers: string[] = [];

  private constructor(rows: readonly Row[]) {
    this.size = rows.length;
    for (const { id, user_id, seq, n } of rows) {
      const own = (this.places.get(user_id) ?? new Map()) as Map<string, number>;
      this.places.set(user_id, own.set(id, seq));
      if (n !== null) this.#byPublishers.push(`${user_id} ${n}`);
    }
  }

  static async read(sql: Sql): Promise<Stored> {
    const { rows } = await sql.query<Row>(`SELECT id, user_id, seq, data->>'n' AS n FROM signals`);
    return new Stored(rows);
  }

  headOf(userId: string): number {
    return Math.max(0, ...(this.places.get(userId)?.values() ?? []));
  }

  /** What was accepted and is not there, or is there twice, or was never accepted. */
  publishedFaults(accepted: ReadonlySet<string>): string[] {
    const seen = new Set(this.#byPublishers);
    const missing = [...accepted].filter((one) => !seen.has(one)).length;
    const unknown = [...seen].filter((one) => !accepted.has(one)).length;
    const twice = this.#byPublishers.length - seen.size;
    return [
      ...(missing > 0 ? [`${missing} accepted signals are not stored`] : []),
      ...(unknown > 0 ? [`${unknown} stored signals were not accepted`] : []),
      ...(twice > 0 ? [`${twice} signals are stored twice`] : []),
    ];
  }

  /** What a client has that is not its user's, lacks, or has at another place; up to the newest that is stored. */
  faultsOf({ userId, received }: SignalClient): { leaked: number; missing: number; misplaced: number } {
    const own = this.places.get(userId) ?? new Map<string, number>();
    const head = this.headOf(userId);
    let [leaked, misplaced, got] = [0, 0, 0];
    for (const [id, seq] of received) {
      const place = own.get(id);
      if (place !== undefined) got++;
      if (place === undefined && seq <= head) leaked++;
      if (place !== undefined && place !== seq) misplaced++;
    }
    return { leaked, missing: own.size - got, misplaced };
  }
}

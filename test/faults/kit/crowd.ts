import { expect } from 'vitest';
import { eventually } from '../../app/support.js';
import { supersededWrites } from './audit.js';
import type { Cluster } from './cluster.js';
import { OracleClient } from './oracle-client.js';
import { generator, type Random } from './random.js';
import { tableFaults } from './table.js';
import { Truth } from './truth.js';

export interface CrowdOptions {
  readonly clients: number;
  readonly channels: readonly string[];
  /** Off for thousands. Default on. */
  readonly keeps?: boolean;
}

const DRAIN_MAX_MS = 60_000;

/** Clients of one cluster, spread over its gateways. */
export class Crowd {
  private constructor(
    readonly cluster: Cluster,
    readonly random: Random,
    readonly clients: readonly OracleClient[],
    readonly truth: Truth,
  ) {}

  /** Resolves when every client has every channel. */
  static async join(cluster: Cluster, seed: number, { clients, channels, keeps = true }: CrowdOptions): Promise<Crowd> {
    const random = generator(seed);
    const truth = new Truth();
    const gateways = cluster.ports;
    const all = Array.from({ length: clients }, () => new OracleClient({ channels, gateways, truth, random, keeps }));
    await Promise.all(all.map((client, index) => client.start(gateways[index % gateways.length])));
    return new Crowd(cluster, random, all, truth);
  }

  on(port: number): readonly OracleClient[] {
    return this.clients.filter((client) => client.port === port);
  }

  /** Resolves when every client is connected and has an answer on every channel. */
  async whole(): Promise<void> {
    await Promise.all(this.clients.map((client) => client.whole()));
  }

  /** Resolves when on every 1m channel of every client `candles` more have closed than now. */
  async advance(candles: number): Promise<void> {
    await Promise.all(
      this.clients.flatMap((client) =>
        [...client.channels.values()]
          .filter(({ interval }) => interval === '1m')
          .map((channel) => {
            const target = channel.closed + candles;
            return client.until(() => channel.closed >= target);
          }),
      ),
    );
  }

  /** Nobody died unasked, no client saw anything wrong, and the table holds every minute that was seen closed. */
  async expectTruth(): Promise<void> {
    expect(this.cluster.faults).toEqual([]);
    expect(this.clients.flatMap(({ faults }) => faults)).toEqual([]);
    expect(this.clients.flatMap((client) => [...client.channels.values()].flatMap(({ gaps }) => gaps))).toEqual([]);
    const sql = this.cluster.database.connect();
    try {
      expect(await supersededWrites(sql)).toEqual([]);
      for (const symbol of this.cluster.options.symbols) {
        const until = this.#closedUntil(symbol);
        // What closed last may still be on its way; what is wrong stays wrong.
        await eventually(
          () => tableFaults(sql, this.truth, symbol, until),
          (faults) => faults.length === 0,
          DRAIN_MAX_MS,
        ).catch(async () => expect(await tableFaults(sql, this.truth, symbol, until)).toEqual([]));
      }
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  leave(): void {
    for (const client of this.clients) client.stop();
  }

  #closedUntil(symbol: string): number {
    const channels = this.clients.flatMap((client) => [...client.channels.values()]);
    const ends = channels.filter((channel) => channel.symbol === symbol && channel.interval === '1m');
    return Math.max(0, ...ends.map(({ closedUntil }) => closedUntil ?? 0));
  }
}

/** The feed's latency on a gateway that has a hundred logins a second to answer, against the same gateway without, in turn. */
import { PASSWORD } from '../../test/faults/kit/accounts.js';
import type { Server } from '../../test/support/server.js';
import { metricsOf, until } from '../cluster/nodes.js';
import { nowMicros, pause } from '../cluster/time.js';
import { type Results, report } from '../support/rounds.js';
import { Stand } from './stand.js';

const LOGINS_A_SECOND = 100;
const FEED = { symbol: 'PROBE', ratePerSecond: 40 };
const CLIENTS = 100;
const TARGET = 1.25;

export async function logins({ rounds, seconds }: { rounds: number; seconds: number }): Promise<void> {
  const stand = await Stand.start();
  try {
    const gateway = await stand.node('gateway', { TRUSTED_PROXIES: '1' });
    const ingest = await stand.node('ingest', { COALESCE_MS: '0' });
    await until(async () => (await metricsOf(ingest)).get('partitions_owned') === 1);
    const users = await (await stand.accounts()).make(1000);
    const feed = new Feed(stand, ingest, gateway);
    await feed.begin();
    const columns: Record<string, number[]> = {};
    const add = (name: string, value: number) => {
      columns[name] = [...(columns[name] ?? []), value];
    };
    const answers = new Map<number, number>();
    for (let round = -1; round < rounds; round++) {
      const quiet = await feed.measure(seconds);
      const flood = new Flood(
        gateway,
        users.map(({ email }) => email),
      );
      flood.start();
      const loud = await feed.measure(seconds);
      const counts = await flood.stop();
      if (round < 0) continue;
      for (const [status, count] of counts) answers.set(status, (answers.get(status) ?? 0) + count);
      add('p50 without', quiet.p50);
      add('p50 with', loud.p50);
      add('p99 without', quiet.p99);
      add('p99 with', loud.p99);
    }
    report(`Feed latency under ${LOGINS_A_SECOND} logins/s, ${CLIENTS} clients`, columns as Results, {
      unit: 'µs',
      below: true,
      ratios: [
        ['p99 with', 'p99 without', TARGET],
        ['p50 with', 'p50 without', null],
      ],
    });
    const said = [...answers].map(([status, count]) => `${status}: ${count}`).join(', ');
    process.stdout.write(`  answers to logins in ${rounds} × ${seconds + 2} s: ${said}\n`);
  } finally {
    await stand.stop();
  }
}

/** Trades pushed to one node on a schedule, and how long they take to clients of another. */
export class Feed {
  constructor(
    private readonly stand: Stand,
    private readonly ingest: Server,
    private readonly gateway: Server,
  ) {}

  /** Makes the symbol known. */
  async begin(): Promise<void> {
    const trade = { symbol: FEED.symbol, id: 1, time: Date.now(), price: '1', quantity: '1', side: 'buy' };
    const body = JSON.stringify([trade]);
    await until(async () => {
      const headers = { 'content-type': 'application/json' };
      return (await fetch(`${this.ingest.url}/v1/trades`, { method: 'POST', headers, body })).ok;
    }, 50);
    await until(async () => (await (await fetch(`${this.gateway.url}/v1/symbols`)).text()).includes(FEED.symbol), 50);
  }

  async measure(seconds: number): Promise<{ p50: number; p99: number; max: number }> {
    const generator = this.stand.worker('../cluster/load/generator.ts');
    const receiver = this.stand.worker('../cluster/load/receiver.ts');
    try {
      const channel = `candles:${FEED.symbol}:1m`;
      await receiver.ask('connected', { op: 'connect', port: this.gateway.port, channel, clients: CLIENTS });
      const beginMicros = nowMicros() + 1_000_000;
      const measureMicros = beginMicros + 1e6;
      await receiver.ask('measuring', { op: 'measure', measureMicros });
      const endMicros = measureMicros + seconds * 1e6;
      const schedule = { ...FEED, httpPort: this.ingest.port, beginMicros, measureMicros, endMicros };
      await generator.ask('done', { op: 'run', ...schedule });
      await pause(300);
      const { p50, p99, max } = await receiver.ask('result', { op: 'result' });
      return { p50: Number(p50), p99: Number(p99), max: Number(max) };
    } finally {
      await Promise.all([generator.stop(), receiver.stop()]);
    }
  }
}

/** Logins with the right password, on time whatever becomes of those before. */
class Flood {
  readonly #counts = new Map<number, number>();
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | null = null;
  #next = 0;

  constructor(
    private readonly gateway: Server,
    private readonly emails: readonly string[],
  ) {}

  start(): void {
    this.#timer = setInterval(() => {
      const done = this.#login().finally(() => this.#pending.delete(done));
      this.#pending.add(done);
    }, 1000 / LOGINS_A_SECOND);
  }

  /** @returns how many were answered with each status. */
  async stop(): Promise<ReadonlyMap<number, number>> {
    if (this.#timer !== null) clearInterval(this.#timer);
    await Promise.all(this.#pending);
    return this.#counts;
  }

  async #login(): Promise<void> {
    const email = this.emails[this.#next++ % this.emails.length];
    // Each from an address of its own: one alone is limited.
    const [high, low] = [Math.floor(this.#next / 250) % 250, this.#next % 250];
    const headers = { 'content-type': 'application/json', 'x-forwarded-for': `10.0.${high}.${low}` };
    const body = JSON.stringify({ email, password: PASSWORD });
    const { status } = await fetch(`${this.gateway.url}/v1/auth/login`, { method: 'POST', headers, body });
    this.#counts.set(status, (this.#counts.get(status) ?? 0) + 1);
  }
}

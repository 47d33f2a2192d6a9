/** POST /v1/signals on one node → PostgreSQL → Redis → another node → the user's socket, with thousands of users connected there. */
import { cpuSeconds } from '../cluster/machine.js';
import { nowMicros, pause } from '../cluster/time.js';
import { report } from '../support/rounds.js';
import { Stand } from './stand.js';

const SOCKETS = '../users/load/sockets.ts';
/** Who get signals have a process of their own: one that answers the pings of thousands would be late itself. */
const MEASURED = 500;
const CROWD_CORE = 0;

export interface DeliveryOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly users: number;
  /** Signals a second. */
  readonly rates: readonly number[];
}

export async function delivery({ rounds, seconds, users: count, rates }: DeliveryOptions): Promise<void> {
  const stand = await Stand.start();
  try {
    const [inlet, outlet] = [await stand.node('gateway'), await stand.node('gateway')];
    const accounts = await stand.accounts();
    const users = await accounts.make(count);
    const [publisher] = await accounts.make(1, { role: 'publisher' });
    if (publisher === undefined) throw new Error('nobody publishes');
    const [crowd, sockets] = [stand.worker(SOCKETS, CROWD_CORE), stand.worker(SOCKETS)];
    const load = stand.worker('../users/load/publisher.ts');
    const began = performance.now();
    const tokens = users.map(({ accessToken }) => accessToken);
    await crowd.ask('connected', { op: 'connect', port: outlet.port, tokens: tokens.slice(MEASURED) });
    await sockets.ask('connected', { op: 'connect', port: outlet.port, tokens: tokens.slice(0, MEASURED) });
    process.stdout.write(
      `\n${count} users connected, authenticated and subscribed in ${((performance.now() - began) / 1000).toFixed(1)} s\n`,
    );
    const to = { op: 'run', port: inlet.port, key: publisher.key, users: users.slice(0, MEASURED).map(({ id }) => id) };
    for (const ratePerSecond of rates) {
      const figures = { p50: [] as number[], p99: [] as number[], max: [] as number[] };
      const answers = { 'answer p50': [] as number[], 'answer p99': [] as number[] };
      for (let round = -1; round < rounds; round++) {
        const beginMicros = nowMicros() + 500_000;
        const measureMicros = beginMicros + 2e6;
        const endMicros = measureMicros + seconds * 1e6;
        await sockets.ask('measuring', { op: 'measure', measureMicros });
        const pids = [inlet.child.pid, outlet.child.pid];
        const before = pids.map(cpuSeconds);
        const sent = await load.ask('done', { ...to, ratePerSecond, beginMicros, measureMicros, endMicros });
        await pause(1000);
        const got = await sockets.ask('result', { op: 'result' });
        const busy = pids.map(
          (pid, i) => `${Math.round(((cpuSeconds(pid) - (before[i] ?? 0)) / (seconds + 2)) * 100)} %`,
        );
        process.stdout.write(
          `  p50 ${got.p50} p99 ${got.p99} max ${got.max} µs; ${got.count} of ${sent.signals} came; late p99 ${Math.round(Number(sent.lateP99))} µs; busy: nodes ${busy.join(', ')}\n`,
        );
        if (round < 0) continue;
        for (const name of ['p50', 'p99', 'max'] as const) figures[name].push(Number(got[name]));
        answers['answer p50'].push(Number(sent.answerP50));
        answers['answer p99'].push(Number(sent.answerP99));
      }
      report(
        `POST → PostgreSQL → Redis → other node → socket, ${ratePerSecond}/s, ${count} users connected`,
        { ...figures, ...answers },
        { unit: 'µs', ratios: [] },
      );
    }
  } finally {
    await stand.stop();
  }
}

/**
 * POST /v1/signals: an open loop of single signals on an absolute schedule, whose data says when each was due in µs; or as many
 * as go, in requests of some signals each, some requests at a time.
 */
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { nowMicros, quantiles } from '../../cluster/time.js';

interface To {
  readonly port: number;
  readonly key: string;
  readonly users: readonly string[];
}

type Command =
  | (To & {
      readonly op: 'run';
      readonly ratePerSecond: number;
      readonly beginMicros: number;
      /** Signals from here on count. */
      readonly measureMicros: number;
      readonly endMicros: number;
    })
  | (To & { readonly op: 'flood'; readonly size: number; readonly atATime: number; readonly seconds: number });

/** Timers are a millisecond coarse: this much before a signal is due it is waited for in a loop. */
const SPIN_MICROS = 1500;
const agent = new Agent({ keepAlive: true, maxSockets: 128, noDelay: true });

function post({ port, key }: To, body: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${key}`,
      'idempotency-key': randomUUID(),
    };
    const options = { port, host: '127.0.0.1', agent, method: 'POST', path: '/v1/signals', headers };
    const outgoing = request(options, (response) => {
      if (response.statusCode !== 200 && response.statusCode !== 201)
        reject(new Error(`POST /v1/signals: ${response.statusCode}`));
      response.resume();
      response.once('end', resolve);
    });
    outgoing.once('error', reject);
    outgoing.end(JSON.stringify(body));
  });
}

let next = 0;
function signal(users: readonly string[], at: number) {
  const to = users[(next++ * 7919) % users.length];
  const data = { price: '8321.50000000', note: 'closed above the range of twenty hours', at };
  return { type: 'breakout', symbol: `COIN${next % 200}USDT`, to, data };
}

async function run(command: Command & { readonly op: 'run' }): Promise<object> {
  const { users, ratePerSecond, beginMicros, measureMicros, endMicros } = command;
  const [lateness, answers]: [number[], number[]] = [[], []];
  const pending = new Set<Promise<void>>();
  let due = beginMicros;
  let counted = 0;
  let failure: unknown = null;
  const send = (intended: number, isCounted: boolean) => {
    const done = post(command, signal(users, intended))
      .then(() => void (isCounted && answers.push(nowMicros() - intended)))
      .catch((error: unknown) => {
        failure = error;
      })
      .finally(() => pending.delete(done));
    pending.add(done);
  };
  await new Promise<void>((resolve) => {
    const tick = () => {
      for (let now = nowMicros(); due <= now && due < endMicros; now = nowMicros()) {
        send(Math.round(due), due >= measureMicros);
        if (due >= measureMicros) {
          lateness.push(now - due);
          counted++;
        }
        due += 1e6 / ratePerSecond;
      }
      if (due >= endMicros) resolve();
      else if (due - nowMicros() > SPIN_MICROS + 1000)
        setTimeout(tick, Math.floor((due - nowMicros() - SPIN_MICROS) / 1000));
      else setImmediate(tick);
    };
    tick();
  });
  await Promise.all(pending);
  if (failure !== null) throw failure;
  const [late, answer] = [quantiles(lateness), quantiles(answers)];
  return { re: 'done', signals: counted, lateP99: late.p99, answerP50: answer.p50, answerP99: answer.p99 };
}

async function flood(command: Command & { readonly op: 'flood' }): Promise<object> {
  const { users, size, atATime, seconds } = command;
  const end = nowMicros() + seconds * 1e6;
  let accepted = 0;
  const lane = async () => {
    while (nowMicros() < end) {
      const signals = Array.from({ length: size }, () => signal(users, 0));
      await post(command, size === 1 ? (signals[0] ?? {}) : { signals });
      accepted += size;
    }
  };
  await Promise.all(Array.from({ length: atATime }, lane));
  return { re: 'flooded', accepted };
}

process.on('message', async (command: Command) => {
  try {
    process.send?.(await (command.op === 'run' ? run(command) : flood(command)));
  } catch (error) {
    process.send?.({ re: 'failed', message: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

/**
 * An open loop of trades on an absolute schedule, into a TCP inlet or as POST /v1/trades. The intended time of a trade in
 * µs, on the machine's monotonic clock, is its price in 1e-8 units; it comes back as the close of the candle.
 */
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { nowMicros, quantiles } from '../time.js';

export interface Schedule {
  readonly op: 'run';
  /** Trades go there as lines, or as requests. */
  readonly inletPort?: number;
  readonly httpPort?: number;
  readonly symbol: string;
  readonly ratePerSecond: number;
  readonly beginMicros: number;
  /** Trades from here on count. */
  readonly measureMicros: number;
  readonly endMicros: number;
}

interface Sink {
  send(intendedMicros: number): void;
  /** Resolves when everything that was sent has arrived. */
  end(): Promise<void>;
  /** µs from the intended time to the answer. */
  readonly answers: readonly number[];
}

/** Timers are a millisecond coarse: this much before a trade is due it is waited for in a loop. */
const SPIN_MICROS = 1500;

async function inlet(port: number, symbol: string): Promise<Sink> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', reject);
  });
  let count = 0;
  return {
    answers: [],
    send(intended) {
      count++;
      const price = priceOf(intended);
      socket.write(`${price}\t${frame(symbol, price, count)}\n`);
    },
    end: () => new Promise((resolve) => socket.end(resolve)),
  };
}

/** What the bare relay sends: the candle update that ours makes of the same trade. */
function frame(symbol: string, price: string, count: number): string {
  return `{"type":"candle","channel":"candles:${symbol}:1m","epoch":1,"seq":0,"candle":{"t":1795362960000,"o":"${price}","h":"${price}","l":"${price}","c":"${price}","v":"${count}.00000000","n":${count},"x":false,"r":0}}`;
}

function posts(port: number, symbol: string): Sink {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, noDelay: true });
  const answers: number[] = [];
  const pending = new Set<Promise<void>>();
  const post = (intended: number) =>
    new Promise<void>((resolve, reject) => {
      const trade = { symbol, id: intended, time: Date.now(), price: priceOf(intended), quantity: '1', side: 'buy' };
      const headers = { 'content-type': 'application/json' };
      const options = { port, host: '127.0.0.1', agent, method: 'POST', path: '/v1/trades', headers };
      const outgoing = request(options, (response) => {
        if (response.statusCode !== 200) reject(new Error(`POST /v1/trades: ${response.statusCode}`));
        response.resume();
        response.once('end', () => {
          answers.push(nowMicros() - intended);
          resolve();
        });
      });
      outgoing.once('error', reject);
      outgoing.end(JSON.stringify([trade]));
    });
  return {
    answers,
    send(intended) {
      const done = post(intended).finally(() => pending.delete(done));
      pending.add(done);
    },
    async end() {
      await Promise.all(pending);
      agent.destroy();
    },
  };
}

function priceOf(micros: number): string {
  return (micros / 1e8).toFixed(8);
}

async function run(schedule: Schedule): Promise<object> {
  const { inletPort, httpPort, symbol, ratePerSecond, beginMicros, measureMicros, endMicros } = schedule;
  const sink = inletPort === undefined ? posts(httpPort ?? 0, symbol) : await inlet(inletPort, symbol);
  const periodMicros = 1e6 / ratePerSecond;
  const lateness: number[] = [];
  let counted = 0;
  let next = beginMicros;
  await new Promise<void>((resolve) => {
    const tick = () => {
      for (let now = nowMicros(); next <= now && next < endMicros; now = nowMicros()) {
        sink.send(Math.round(next));
        if (next >= measureMicros) {
          lateness.push(now - next);
          counted++;
        }
        next += periodMicros;
      }
      if (next >= endMicros) resolve();
      else if (next - nowMicros() > SPIN_MICROS + 1000)
        setTimeout(tick, Math.floor((next - nowMicros() - SPIN_MICROS) / 1000));
      else setImmediate(tick);
    };
    tick();
  });
  await sink.end();
  const late = quantiles(lateness);
  const answer = quantiles(sink.answers);
  return {
    re: 'done',
    trades: counted,
    lateP50: late.p50,
    lateP99: late.p99,
    answerP50: answer.p50,
    answerP99: answer.p99,
  };
}

process.on('message', async (schedule: Schedule) => {
  try {
    process.send?.(await run(schedule));
  } catch (error) {
    process.send?.({ re: 'failed', message: String(error) });
  }
});
process.on('disconnect', () => process.exit(0));

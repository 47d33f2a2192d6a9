import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { Client, type Signal, type SignalItem } from '../../src/client/index.js';
import { FaultProxy } from '../faults/kit/proxy.js';
import { Harness } from '../gateway/harness.js';
import { TestUsers } from '../gateway/users.js';

const ANN = '018f0000-0000-7000-8000-00000000000a';
const QUICK = { sweepMs: 10, pingPeriodMs: 20, heartbeatMs: 50, catchUpMs: 100, lingerMs: 20 };
const RECONNECT = { baseMs: 5, capMs: 20 };

let stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  stops = [];
});

interface Stand {
  readonly users: TestUsers;
  readonly harness: Harness;
  readonly proxy: FaultProxy;
  readonly client: (token?: string | (() => string)) => Client;
}

async function stand(): Promise<Stand> {
  const users = new TestUsers();
  const harness = await Harness.withUsers(users, 'uws', QUICK);
  const proxy = await FaultProxy.to({ port: harness.port });
  stops.push(() => harness.stop());
  stops.push(() => proxy.stop());
  const client = (token: string | (() => string) = users.accounts.token(ANN)): Client => {
    const made = new Client({ url: `http://127.0.0.1:${proxy.port}`, token, reconnect: RECONNECT });
    // A cut is of one connection.
    made.onState(({ kind }) => {
      if (kind === 'waiting') void proxy.heal();
    });
    stops.push(() => made.close());
    return made;
  };
  return { users, harness, proxy, client };
}

async function take(stream: AsyncIterator<SignalItem>, count: number): Promise<Signal[]> {
  const taken: Signal[] = [];
  while (taken.length < count) {
    const { value, done } = await stream.next();
    if (done === true) throw new Error('the stream ended');
    if (value.type === 'signal') taken.push(value);
  }
  return taken;
}

const seqs = (signals: readonly Signal[]): number[] => signals.map(({ seq }) => seq);

async function acked(users: TestUsers, seq: number, device = 'default'): Promise<void> {
  while (users.signals.acks.get(`${ANN}/${device}`) !== seq) await immediate();
}

describe('signals', () => {
  it('come from the last acknowledged one on, and one that is acknowledged does not come again', async () => {
    const { users, client } = await stand();
    for (let i = 0; i < 25; i++) users.signals.publish(ANN);
    const first = client();
    const stream = first.signals({ device: 'desk' });
    expect(seqs(await take(stream, 10))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // The tenth was given out, and nothing says that it was dealt with.
    await acked(users, 9, 'desk');
    first.close();
    const again = client().signals({ device: 'desk' });
    expect(seqs(await take(again, 16))[0]).toBe(10);
    users.signals.publish(ANN);
    expect(seqs(await take(again, 1))).toEqual([26]);
    expect(seqs(await take(client().signals({ device: 'phone' }), 1))).toEqual([1]);
  });

  it('go on across cuts of the connection, each once', async () => {
    const { users, proxy, client } = await stand();
    const stream = client().signals();
    const got: number[] = [];
    for (let i = 1; i <= 40; i++) {
      users.signals.publish(ANN);
      if (i % 3 === 0) proxy.cutAfter(i * 7, 'down');
      if (i % 5 === 0) proxy.reset();
      if (i % 2 === 0) got.push(...seqs(await take(stream, 2)));
    }
    expect(got).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
  });

  it('acknowledged by hand: only as far as every reader is', async () => {
    const { users, client } = await stand();
    for (let i = 0; i < 5; i++) users.signals.publish(ANN);
    const own = client();
    const [one, two] = [own.signals({ ack: 'manual' }), own.signals({ ack: 'manual' })];
    const [mine, others] = [await take(one, 5), await take(two, 5)];
    mine[4]?.ack();
    others[2]?.ack();
    await acked(users, 3);
    others[4]?.ack();
    await acked(users, 5);
  });

  it('from now on, or from a position kept by the program', async () => {
    const { users, client } = await stand();
    for (let i = 0; i < 5; i++) users.signals.publish(ANN);
    const own = client();
    const now = own.signals({ from: 'now', device: 'a' });
    const next = now.next();
    while (own.state.kind !== 'live') await immediate();
    await acked(users, 5, 'a').catch(() => {});
    users.signals.publish(ANN);
    expect((await next).value).toMatchObject({ seq: 6 });
    const kept = client().signals({ from: { epoch: users.signals.epoch, seq: 3 }, device: 'b' });
    expect(seqs(await take(kept, 3))).toEqual([4, 5, 6]);
    const strange = client().signals({ from: { epoch: 1, seq: 3 }, device: 'c' });
    expect((await strange.next()).value).toMatchObject({ type: 'reset', position: { seq: 6 } });
  });

  it('an acknowledgement that cannot be written now is written later', async () => {
    const { users, client } = await stand();
    users.signals.publish(ANN);
    const stream = client().signals({ ack: 'manual' });
    const [signal] = await take(stream, 1);
    users.signals.down = true;
    signal?.ack();
    await new Promise((resolve) => setTimeout(resolve, 50));
    users.signals.down = false;
    await acked(users, 1);
  });

  it('wait for a reader that is slow, and none is lost', async () => {
    const { users, client } = await stand();
    const stream = client().signals({ buffer: 3 });
    const [got] = [await Promise.all([take(stream, 1), Promise.resolve(users.signals.publish(ANN))])];
    for (let i = 0; i < 60; i++) users.signals.publish(ANN);
    expect(seqs(got[0])).toEqual([1]);
    const rest: number[] = [];
    for (let i = 0; i < 60; i++) {
      rest.push(...seqs(await take(stream, 1)));
      if (i % 7 === 0) await immediate();
    }
    expect(rest).toEqual(Array.from({ length: 60 }, (_, i) => i + 2));
  });

  it('at any cut, with programs that begin anew: all of them, in order', async () => {
    const step = fc.constantFrom('publish', 'publish', 'reset', 'cut', 'again', 'take', 'take', 'away');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const { users, proxy, client } = await stand();
        let own = client();
        let stream = own.signals();
        const got: number[] = [];
        let published = 0;
        let wasAgain = false;
        const next = async (): Promise<void> => {
          const seq = seqs(await take(stream, 1))[0] ?? 0;
          // What was dealt with and not yet acknowledged comes again.
          if (wasAgain && seq <= (got.at(-1) ?? 0)) return;
          wasAgain = false;
          got.push(seq);
        };
        for (const one of steps) {
          if (one === 'publish') {
            users.signals.publish(ANN);
            published++;
          } else if (one === 'reset') proxy.reset();
          else if (one === 'cut') proxy.cutAfter(200, 'down');
          else if (one === 'away') users.signals.down = !users.signals.down;
          else if (one === 'again') {
            own.close();
            own = client();
            stream = own.signals();
            wasAgain = true;
          } else if (got.length < published && !users.signals.down) await next();
        }
        users.signals.down = false;
        while ((got.at(-1) ?? 0) < published) await next();
        expect(got).toEqual(Array.from({ length: published }, (_, i) => i + 1));
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }, 60_000);
});

describe('tokens', () => {
  it('are refreshed in place before they expire, on the same connection', async () => {
    const { users, harness, client } = await stand();
    let given = 0;
    const token = (): string => {
      given++;
      return users.accounts.token(ANN, { expiresAt: users.clock.now() + 60_100, sessionId: 's' });
    };
    const stream = client(token).signals();
    for (let i = 1; i <= 3; i++) {
      const next = take(stream, 1);
      while (given < i) await immediate();
      // A minute before its end.
      users.aheadMs += 1_000;
      while (given < i + 1) await immediate();
      users.signals.publish(ANN);
      expect(seqs(await next)).toEqual([i]);
    }
    expect(harness.gateway.stats.closes).toEqual({});
  });

  it('that expire are asked for anew, then it goes on where it was', async () => {
    const { users, harness, client } = await stand();
    const asked: boolean[] = [];
    let isLate = false;
    const token = ({ refresh }: { refresh: boolean }): string => {
      asked.push(refresh);
      if (refresh && !isLate) throw new Error('not now');
      return users.accounts.token(ANN, { expiresAt: users.clock.now() + 61_000 });
    };
    const stream = client(token as () => string).signals();
    users.signals.publish(ANN);
    expect(seqs(await take(stream, 1))).toEqual([1]);
    users.aheadMs += 62_000;
    while (harness.gateway.stats.closes[4104] === undefined) await immediate();
    isLate = true;
    users.signals.publish(ANN);
    expect(seqs(await take(stream, 1))).toEqual([2]);
    expect(asked[0]).toBe(false);
    expect(asked.at(-1)).toBe(true);
  });

  it.each([
    ['that nobody knows', () => 'wrong', 'invalid_token'],
    ['that were revoked', (users: TestUsers) => revoked(users), 'token_revoked'],
  ])('%s end every stream', async (_name, tokenOf, code) => {
    const { users, client } = await stand();
    const own = client(tokenOf(users));
    await expect(own.signals().next()).rejects.toMatchObject({ name: 'CandlecastError', code });
    expect(own.state.kind).toBe('failed');
  });

  it('whose session ends: 4103, and no coming back', async () => {
    const { users, harness, client } = await stand();
    const token = users.accounts.token(ANN);
    const own = client(token);
    const next = own.signals().next();
    while (own.state.kind !== 'live') await immediate();
    const { connections } = harness.gateway.stats;
    users.accounts.end(token);
    await expect(next).rejects.toMatchObject({ code: 'closed_4103' });
    expect(connections).toBe(1);
    expect(own.state.kind).toBe('failed');
  });

  it('none: signals are refused by name, candles are not', async () => {
    const { harness } = await stand();
    const own = new Client({ url: `http://127.0.0.1:${harness.port}` });
    stops.push(() => own.close());
    await expect(own.signals().next()).rejects.toMatchObject({ code: 'auth_required' });
    expect((await own.candles('BTCUSDT', '1m', { history: 1 }).next()).value).toMatchObject({
      type: 'candle',
      x: true,
    });
  });
});

function revoked(users: TestUsers): string {
  const token = users.accounts.token(ANN);
  users.accounts.end(token);
  return token;
}

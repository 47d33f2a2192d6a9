import fc from 'fast-check';
import { unpack } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { TestClient } from './client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestUsers } from './users.js';

const USERS = 12;
const user = fc.nat(USERS - 1);

/** What may happen, in any order, to connections of many users. `who` picks a connection. */
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('publish' as const), user }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('connect' as const), user, msgpack: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('subscribe' as const), who: fc.nat(), seq: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unsubscribe' as const), who: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('other token' as const), who: fc.nat(), user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ack' as const), who: fc.nat(), seq: fc.nat(30) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('name' as const), who: fc.nat(), user }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), who: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('plan' as const), user, channels: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

interface Connected {
  readonly owner: string;
  readonly client: TestClient;
}

const idOf = (index: number): string => `018f0000-0000-7000-8000-${String(index).padStart(12, '0')}`;

class World {
  readonly all: Connected[] = [];

  constructor(
    readonly harness: Harness,
    readonly users: TestUsers,
  ) {}

  async run(actions: readonly Action[]): Promise<void> {
    for (const one of actions) await this.#act(one);
    for (const { client } of this.all) if (client.closeCode === null) await client.sync().catch(() => {});
  }

  async #act(one: Action): Promise<void> {
    if (one.do === 'publish') this.users.signals.publish(idOf(one.user));
    else if (one.do === 'connect') await this.#connect(one.user, one.msgpack);
    else if (one.do === 'plan') this.users.accounts.setPlan(idOf(one.user), { channels: one.channels });
    else if (one.do === 'sweep') this.harness.gateway.sweep();
    else this.#send(one);
  }

  async #connect(index: number, msgpack: boolean): Promise<void> {
    const owner = idOf(index);
    const client = await this.harness.userClient(this.users.accounts.token(owner), msgpack ? 'msgpack' : 'json');
    client.send({ op: 'subscribe', channels: [{ channel: 'signals', position: { epoch: 9, seq: 0 } }] });
    this.all.push({ owner, client });
  }

  #send(one: Extract<Action, { who: number }>): void {
    const picked = this.all[one.who % Math.max(1, this.all.length)];
    if (picked === undefined || picked.client.closeCode !== null) return;
    const { client } = picked;
    if (one.do === 'leave') client.socket.terminate();
    else if (one.do === 'unsubscribe') client.send({ op: 'unsubscribe', channels: ['signals'] });
    else if (one.do === 'ack') client.send({ op: 'ack', channel: 'signals', seq: one.seq });
    else if (one.do === 'other token') client.send({ op: 'auth', token: this.users.accounts.token(idOf(one.user)) });
    else if (one.do === 'name') client.send({ op: 'subscribe', channels: [`signals:${idOf(one.user)}`] });
    else client.send({ op: 'subscribe', channels: [{ channel: 'signals', position: { epoch: 9, seq: one.seq } }] });
  }
}

/** Every signal names its owner in its data: no frame may hold the id of anybody else. */
function expectPrivate({ owner, client }: Connected): void {
  const others = Array.from({ length: USERS }, (_, i) => idOf(i)).filter((id) => id !== owner);
  for (const frame of client.raw) {
    const message = typeof frame === 'string' ? JSON.parse(frame) : unpack(frame);
    // What the connection itself asked for is named in the refusal.
    if (message.type === 'error') continue;
    const text = JSON.stringify(message);
    for (const other of others) expect(text).not.toContain(other);
  }
}

describe.each(TRANSPORTS)('on %s', (transport) => {
  it('a signal reaches its user and nobody else, whatever happens', async () => {
    let delivered = 0;
    const run = async (actions: readonly Action[]): Promise<void> => {
      const users = new TestUsers();
      const harness = await Harness.withUsers(users, transport, { messageBurst: 10_000 });
      const world = new World(harness, users);
      try {
        await world.run(actions);
        for (const one of world.all) expectPrivate(one);
        delivered += harness.gateway.stats.deliveries.signal;
      } finally {
        await harness.stop();
      }
    };
    const actions = fc.array(action, { minLength: 20, maxLength: 120 });
    await fc.assert(fc.asyncProperty(actions, run), { numRuns: 60, endOnFailure: true });
    expect(delivered).toBeGreaterThan(100);
  });
});

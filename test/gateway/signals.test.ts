import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ServerMessage } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import type { TestClient } from './client.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestUsers } from './users.js';

const ANN = '018f0000-0000-7000-8000-00000000000a';
const BEN = '018f0000-0000-7000-8000-00000000000b';
const QUICK = { sweepMs: 10, pingPeriodMs: 20, pongTimeoutMs: 1000, heartbeatMs: 50, catchUpMs: 200 };

type SignalMessage = Extract<ServerMessage, { type: 'signal' | 'signals' }>;

function isSignals(message: ServerMessage): message is SignalMessage {
  return message.type === 'signal' || message.type === 'signals';
}

/** The seqs of all signals, in order; fails where a message does not follow the one before it. */
function received(client: TestClient, from: number): number[] {
  let at = from;
  const seqs: number[] = [];
  for (const message of client.messages.filter(isSignals)) {
    expect(message.prev).toBe(at);
    at = message.seq;
    seqs.push(...(message.type === 'signal' ? [message.signal] : message.signals).map((signal) => signal.seq));
  }
  for (const beat of client.all('heartbeat')) expect(beat.seq).toBeLessThanOrEqual(at);
  return seqs;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

describe.each(TRANSPORTS)('signals on %s', (transport) => {
  let users: TestUsers;
  let harness: Harness;
  beforeEach(async () => {
    users = new TestUsers();
    harness = await Harness.withUsers(users, transport, QUICK);
  });
  afterEach(async () => {
    for (const client of harness.clients) for (const message of client.messages) serverMessage.parse(message);
    await harness.stop();
  });

  async function subscribed(item: object = {}, protocol: 'json' | 'msgpack' = 'json'): Promise<TestClient> {
    const client = await harness.userClient(users.accounts.token(ANN), protocol);
    client.send({ op: 'subscribe', id: 's', channels: [{ channel: 'signals', ...item }] });
    await client.type('subscribed');
    return client;
  }

  function untilSeq(client: TestClient, seq: number): Promise<ServerMessage> {
    return client.until((m) => isSignals(m) && m.seq === seq);
  }

  it('come live, without a position only new ones', async () => {
    users.signals.publish(ANN);
    const client = await subscribed();
    expect(client.all('subscribed')).toEqual([
      { type: 'subscribed', id: 's', channel: 'signals', epoch: 9, seq: 1, candles: [], gaps: [], acked: 0 },
    ]);
    const { id, createdAt } = users.signals.publish(ANN, { ruleId: BEN, corrects: ANN, source: 'rule' });
    expect(await client.type('signal')).toEqual({
      type: 'signal',
      channel: 'signals',
      epoch: 9,
      seq: 2,
      prev: 1,
      signal: {
        id,
        seq: 2,
        type: 'alert',
        symbol: 'BTCUSDT',
        data: { owner: ANN, n: 2 },
        createdAt,
        expiresAt: null,
        source: 'rule',
        rule: BEN,
        corrects: ANN,
      },
    });
    client.send({ op: 'list' });
    expect((await client.type('channels')).channels).toEqual(['signals']);
  });

  it('resume from a position: everything missed in order, then live, without a hole', async () => {
    for (let i = 0; i < 95; i++) users.signals.publish(ANN);
    for (const protocol of ['json', 'msgpack'] as const) {
      const client = await subscribed({ position: { epoch: 9, seq: 3 } }, protocol);
      users.signals.publish(ANN);
      await untilSeq(client, users.signals.of(ANN).length);
      expect(client.all('subscribed')).toMatchObject([{ seq: 3, recovered: true }]);
      expect(received(client, 3)).toEqual(range(4, users.signals.of(ANN).length));
    }
  });

  it('resume while new ones come all the time', async () => {
    users.signals.delay = immediate;
    for (let i = 0; i < 50; i++) users.signals.publish(ANN);
    const client = await subscribed({ position: { epoch: 9, seq: 0 } });
    for (let i = 0; i < 200; i++) {
      users.signals.publish(ANN);
      if (i % 3 === 0) await immediate();
    }
    await untilSeq(client, 250);
    expect(received(client, 0)).toEqual(range(1, 250));
  });

  it('are read no further than this node was told, so that what is told later joins', async () => {
    await subscribed();
    for (let i = 0; i < 5; i++) users.signals.publish(ANN);
    users.signals.silent = true;
    for (let i = 0; i < 3; i++) users.signals.publish(ANN);
    const client = await subscribed({ position: { epoch: 9, seq: 0 } });
    await untilSeq(client, 5);
    users.signals.tell(ANN);
    await untilSeq(client, 8);
    expect(received(client, 0)).toEqual(range(1, 8));
  });

  it('leave out what has expired, and say where that leaves the client', async () => {
    const expiresAt = users.clock.now() + 1000;
    for (let i = 1; i <= 30; i++) users.signals.publish(ANN, i % 3 === 0 || i > 20 ? { expiresAt } : {});
    users.aheadMs += 2000;
    const client = await subscribed({ position: { epoch: 9, seq: 0 } });
    await untilSeq(client, 30);
    expect(received(client, 0)).toEqual(range(1, 20).filter((i) => i % 3 !== 0));
    users.signals.publish(ANN, { expiresAt: 1 });
    await untilSeq(client, 31);
    expect(client.all('signals').at(-1)).toEqual({
      type: 'signals',
      channel: 'signals',
      epoch: 9,
      seq: 31,
      prev: 30,
      signals: [],
    });
    await client.type('heartbeat');
    users.signals.publish(ANN);
    await untilSeq(client, 32);
    expect(received(client, 0).at(-1)).toBe(32);
  });

  it('of another database, or beyond the newest, are no position: recovered is false', async () => {
    for (let i = 0; i < 5; i++) users.signals.publish(ANN);
    for (const position of [
      { epoch: 8, seq: 2 },
      { epoch: 9, seq: 6 },
    ]) {
      const client = await subscribed({ position });
      expect(client.all('subscribed')).toMatchObject([{ epoch: 9, seq: 5, recovered: false }]);
    }
  });

  it('wait for a node that has not heard of the position yet', async () => {
    await subscribed();
    users.signals.silent = true;
    users.signals.publish(ANN);
    const ahead = await harness.userClient(users.accounts.token(ANN));
    ahead.send({ op: 'subscribe', channels: [{ channel: 'signals', position: { epoch: 9, seq: 1 } }] });
    await ahead.sync();
    expect(ahead.all('subscribed')).toEqual([]);
    users.signals.tell(ANN);
    expect(await ahead.type('subscribed')).toMatchObject({ seq: 1, recovered: true });
    users.signals.publish(ANN);
    const late = await harness.userClient(users.accounts.token(ANN));
    late.send({ op: 'subscribe', channels: [{ channel: 'signals', position: { epoch: 9, seq: 2 } }] });
    expect(await late.type('error')).toMatchObject({ channel: 'signals', code: 'unavailable' });
  });

  it('come in frames of a bounded size, however large they are', async () => {
    users.signals.pageSize = 1000;
    const data = { text: 'x'.repeat(20_000) };
    for (let i = 0; i < 300; i++) users.signals.publish(ANN, { data });
    const client = await subscribed({ position: { epoch: 9, seq: 0 } });
    await untilSeq(client, 300);
    expect(received(client, 0)).toEqual(range(1, 300));
    expect(Math.max(...client.raw.map((frame) => frame.length))).toBeLessThan(128 * 1024);
    expect(harness.gateway.stats.lagsTotal).toBe(0);
  });

  it('are all there when a slow client reads again', async () => {
    const client = await subscribed();
    const other = await subscribed();
    client.socket.pause();
    const data = { text: 'x'.repeat(5_000) };
    while (harness.gateway.stats.lagging === 0) {
      for (let i = 0; i < 20; i++) users.signals.publish(ANN, { data });
      await other.sync();
    }
    for (let i = 0; i < 50; i++) users.signals.publish(ANN);
    client.socket.resume();
    const last = users.signals.publish(ANN).seq;
    await Promise.all([untilSeq(client, last), untilSeq(other, last)]);
    users.signals.publish(ANN);
    await Promise.all([untilSeq(client, last + 1), untilSeq(other, last + 1)]);
    expect(received(client, 0)).toEqual(range(1, last + 1));
    expect(received(other, 0)).toEqual(range(1, last + 1));
    expect(client.all('signals').length).toBeGreaterThan(0);
    expect(other.all('signals')).toEqual([]);
  });

  it('are acknowledged by each device for itself', async () => {
    for (let i = 0; i < 5; i++) users.signals.publish(ANN);
    const phone = await subscribed({ device: 'phone', position: { epoch: 9, seq: 0 } });
    await untilSeq(phone, 5);
    for (const seq of [1, 2, 4, 3]) phone.send({ op: 'ack', id: seq, channel: 'signals', seq });
    await phone.until((m) => m.type === 'acked' && m.id === 3);
    expect(phone.all('acked')).toHaveLength(4);
    expect(phone.all('acked').at(-1)).toEqual({ type: 'acked', id: 3, channel: 'signals', epoch: 9, seq: 4 });
    phone.send({ op: 'ack', id: 'early', channel: 'signals', seq: 6 });
    expect(await phone.type('error')).toMatchObject({
      id: 'early',
      channel: 'signals',
      code: 'invalid_message',
      message: 'seq: nothing after 5 was sent',
    });
    expect(await subscribed({ device: 'phone' }).then((c) => c.type('subscribed'))).toMatchObject({ acked: 4 });
    expect(await subscribed({ device: 'desk' }).then((c) => c.type('subscribed'))).toMatchObject({ acked: 0 });
    expect(Object.fromEntries(users.signals.acks)).toEqual({ [`${ANN}/phone`]: 4 });
  });

  it('are acknowledged while they are subscribed only; what cannot be written is to be sent again', async () => {
    users.signals.publish(ANN);
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'ack', channel: 'signals', seq: 0 });
    expect(await client.type('error')).toMatchObject({ code: 'not_subscribed' });
    client.send({ op: 'subscribe', channels: ['signals'] });
    await client.type('subscribed');
    users.signals.down = true;
    client.send({ op: 'ack', id: 1, channel: 'signals', seq: 1 });
    await client.until((m) => m.type === 'error' && m.id === 1 && m.code === 'unavailable');
    users.signals.down = false;
    client.send({ op: 'ack', id: 2, channel: 'signals', seq: 1 });
    expect(await client.type('acked')).toMatchObject({ id: 2, seq: 1 });
  });

  it('say so when they cannot be read, and can be asked for again', async () => {
    users.signals.down = true;
    const client = await harness.userClient(users.accounts.token(ANN));
    client.send({ op: 'subscribe', id: 1, channels: ['signals'] });
    expect(await client.type('error')).toMatchObject({ id: 1, channel: 'signals', code: 'unavailable' });
    users.signals.down = false;
    client.send({ op: 'subscribe', id: 2, channels: ['signals'] });
    await client.type('subscribed');
  });

  it('end with a reason when they cannot be read in the middle, and go on from the position', async () => {
    for (let i = 0; i < 30; i++) users.signals.publish(ANN);
    let reads = 0;
    users.signals.delay = async () => {
      reads++;
      users.signals.down = reads === 5;
    };
    const client = await subscribed({ position: { epoch: 9, seq: 0 } });
    expect(await client.type('unsubscribed')).toMatchObject({ channel: 'signals', reason: 'unavailable' });
    const at = client.all('signals').at(-1)?.seq ?? 0;
    expect(at).toBeLessThan(30);
    client.send({ op: 'subscribe', id: 2, channels: [{ channel: 'signals', position: { epoch: 9, seq: at } }] });
    await untilSeq(client, 30);
    expect(received(client, 0)).toEqual(range(1, 30));
  });

  it('are told to be late while they may be', async () => {
    const client = await subscribed();
    users.signals.setUp(false);
    await client.until((m) => m.type === 'heartbeat' && m.stale === true);
    const late = await subscribed();
    await late.until((m) => m.type === 'heartbeat' && m.stale === true);
    users.signals.setUp(true);
    const seen = client.messages.length;
    await client.until((m) => client.messages.indexOf(m) >= seen && m.type === 'heartbeat' && m.stale === undefined);
  });

  it('end with unsubscribe, and are let go of when nobody wants them', async () => {
    const client = await subscribed();
    expect(users.signals.followers(ANN)).toBe(1);
    client.send({ op: 'unsubscribe', channels: ['signals'] });
    await client.type('unsubscribed');
    users.signals.publish(ANN);
    await client.sync();
    expect(client.all('signal')).toEqual([]);
    users.aheadMs += 60_000;
    harness.gateway.sweep();
    expect(users.signals.followers(ANN)).toBe(0);
  });

  it('are subscribed once a connection, and with a device that is a name', async () => {
    const client = await subscribed();
    client.send({ op: 'subscribe', id: 2, channels: ['signals'] });
    client.send({ op: 'subscribe', id: 3, channels: [{ channel: 'signals', device: 'a b' }] });
    await client.sync();
    expect(client.all('error')).toMatchObject([
      { id: 2, code: 'already_subscribed' },
      { id: 3, code: 'invalid_message', message: expect.stringMatching(/^channels\[0\]\.device/) },
    ]);
  });
});

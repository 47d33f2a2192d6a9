import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../../src/gateway/gateway.js';
import type { Candle } from '../../src/market/candle.js';
import { bucketEnd, bucketStart, DAY_MS, type Interval, MINUTE_MS } from '../../src/market/interval.js';
import { rollUp } from '../../src/market/rollup.js';
import { type ServerMessage, toWireCandle } from '../../src/wire/messages.js';
import { serverMessage } from '../../src/wire/schemas.js';
import { ManualClock, until } from '../feed/manual-clock.js';
import type { TestClient } from './client.js';
import { ended, onChannel, ReplayStand, START } from './replay-stand.js';

const A = 'AAAUSDT';
const B = 'BBBUSDT';
const MINUTES = 200;
const END = START + MINUTES * MINUTE_MS;
/** Of A: one within an hour, one over the end of an hour, two that follow each other. */
const GAPS = [
  [40, 7],
  [110, 25],
  [150, 3],
  [154, 40],
] as const;
const CHANNELS = [
  `candles:${A}:1m`,
  `candles:${A}:1m:closed`,
  `candles:${A}:5m`,
  `candles:${A}:5m:closed`,
  `candles:${A}:1h`,
  `candles:${A}:1h:closed`,
  `candles:${B}:3m:closed`,
  `candles:${B}:1h:closed`,
];

let stand: ReplayStand;
let gateway: Gateway;
let port: number;
let live: TestClient;

beforeAll(async () => {
  stand = await ReplayStand.start();
  gateway = await stand.gateway();
  port = await gateway.listen('127.0.0.1', 0);
  await stand.play([A, B], 0, 1);
  live = await stand.client(port);
  live.send({ op: 'subscribe', channels: CHANNELS });
  await live.until(() => live.all('subscribed').length === CHANNELS.length);
  await stand.play([A, B], 1, MINUTES, GAPS);
  await live.sync();
});
afterAll(() => stand.stop());

type Range = { from: number; to?: number; speed?: number };

async function replayed(
  channels: readonly unknown[],
  range: Range,
  protocol: 'json' | 'msgpack' = 'json',
  on = port,
): Promise<TestClient> {
  const client = await stand.client(on, protocol);
  client.send({ op: 'subscribe', id: 'r', channels, replay: { speed: 0, ...range } });
  await ended(client, channels.length);
  return client;
}

/** What is told for good. */
function durable(messages: readonly ServerMessage[], channel: string): ServerMessage[] {
  return onChannel(messages, channel).filter((m) => m.type === 'gap' || (m.type === 'candle' && m.prev !== undefined));
}

/** When a message happened, as its contents say; null: they do not. */
function timeOf(message: ServerMessage): number | null {
  if (message.type === 'gap') return bucketStart('1m', message.to);
  if (message.type !== 'candle' || !message.candle.x) return null;
  const interval = message.channel.split(':')[2] as Interval;
  return bucketEnd(interval, message.candle.t);
}

describe('a replay', () => {
  it('is on every channel what live was, message by message', async () => {
    const from = START + 3 * MINUTE_MS; // 10:00
    const client = await replayed(CHANNELS, { from, to: END });
    for (const channel of CHANNELS) {
      const [first] = client.all('subscribed').filter((m) => m.channel === channel);
      expect(first).toMatchObject({ id: 'r', candles: [], gaps: [], replay: { from, to: END, speed: 0 } });
      const was = durable(live.messages, channel).filter((m) => 'seq' in m && m.seq > (first?.seq ?? 0));
      expect(was.length).toBeGreaterThan(2);
      expect(durable(client.messages, channel), channel).toEqual(was);
      const [last] = client.all('replay_end').filter((m) => m.channel === channel);
      expect(last).toMatchObject({ reason: 'end', time: END, seq: (was.at(-1) as { seq: number }).seq });
      expect(onChannel(client.messages, channel).at(-1)).toBe(last);
    }
    for (const message of client.messages) serverMessage.parse(message);
    const raw = live.raw.filter((frame) => String(frame).includes(`"candles:${A}:1m:closed"`));
    const again = client.raw.filter((frame) => String(frame).includes(`"candles:${A}:1m:closed"`));
    expect(again.slice(1, -1)).toEqual(raw.slice(-again.length + 2));
  });

  it('is the same where closed candles are read as they are stored, not folded from minutes', async () => {
    for (const channel of [`candles:${A}:5m:closed`, `candles:${A}:1h:closed`]) {
      const client = await replayed([channel], { from: START + 3 * MINUTE_MS, to: END });
      const first = await client.type('subscribed');
      const was = durable(live.messages, channel).filter((m) => 'seq' in m && m.seq > first.seq);
      expect(durable(client.messages, channel), channel).toEqual(was);
    }
  });

  it('says the same in MessagePack', async () => {
    const channels = CHANNELS.slice(0, 5);
    const [json, packed] = [
      await replayed(channels, { from: START, to: END }),
      await replayed(channels, { from: START, to: END }, 'msgpack'),
    ];
    expect(packed.messages.slice(1)).toEqual(json.messages.slice(1));
  });

  it('begins as live would: a snapshot, the open candle, and its position', async () => {
    const from = START + 33 * MINUTE_MS; // 10:30
    const hour = `candles:${A}:1h`;
    const client = await replayed(
      [
        { channel: hour, snapshot: 5 },
        { channel: `candles:${B}:3m:closed`, snapshot: 2 },
      ],
      { from, to: from + 10 * MINUTE_MS },
    );
    const [first, second] = client.all('subscribed');
    const minutes = await stand.history.range(A, '1m', from - 30 * MINUTE_MS, from, 100);
    const before = await stand.history.before(A, '1h', from - 30 * MINUTE_MS, 5);
    expect(first?.candles).toEqual([...before.map(toWireCandle), open(minutes, from - 30 * MINUTE_MS)]);
    expect(second?.candles).toEqual((await stand.history.before(B, '3m', from, 2)).map(toWireCandle));
  });

  it('shows an open candle as it grows minute by minute', async () => {
    const from = START + 63 * MINUTE_MS + 40 * MINUTE_MS; // 11:40, a gap over 12:00 follows
    const client = await replayed([`candles:${A}:1h`, `candles:${A}:5m`], { from, to: END });
    for (const interval of ['1h', '5m'] as const) {
      const updates = onChannel(client.messages, `candles:${A}:${interval}`).filter(
        (m) => m.type === 'candle' && !m.candle.x,
      );
      const expected: unknown[] = [];
      const minutes = await stand.history.range(A, '1m', bucketStart(interval, from), END, 1000);
      for (const { openTime, trades } of minutes.filter((minute) => minute.openTime >= from)) {
        const start = bucketStart(interval, openTime);
        const soFar = minutes.filter((minute) => minute.openTime >= start && minute.openTime <= openTime);
        const isFirst = soFar.length === 1;
        if (openTime + MINUTE_MS < bucketEnd(interval, start) && (trades > 0 || isFirst))
          expected.push(open(soFar, start));
      }
      expect(expected.length).toBeGreaterThan(10);
      expect(updates.map((m) => m.type === 'candle' && m.candle)).toEqual(expected);
    }
  });

  it('has one order of time over all channels', async () => {
    const client = await replayed(CHANNELS, { from: START, to: END });
    const times = client.messages.map(timeOf).filter((time) => time !== null);
    // A candle that an outage has cut short closes when that is over.
    const isCut = (m: ServerMessage): boolean =>
      m.type === 'candle' && m.channel.startsWith(`candles:${A}:`) && !m.channel.includes(':1m');
    const uncut = client.messages.filter((m) => !isCut(m));
    const ordered = uncut.map(timeOf).filter((time) => time !== null);
    expect(times.length).toBeGreaterThan(ordered.length);
    expect(ordered).toEqual([...ordered].sort((a, b) => a - b));
  });

  it.each(['uws', 'node'] as const)('goes on where it was cut, and from its end into live: %s', async (transport) => {
    const own = await stand.gateway({}, undefined, transport);
    const ownPort = await own.listen('127.0.0.1', 0);
    const channels = [`candles:${A}:1m:closed`, `candles:${A}:1h`, `candles:${B}:1h:closed`];
    const range = { from: START, to: END, speed: 0 };
    const whole = await replayed(channels, range);
    for (const cut of [3, 30, 101, 150]) {
      const got = whole.messages.slice(0, cut);
      const time = Math.max(START, ...got.map((m) => timeOf(m) ?? 0));
      const wanted = channels.map((channel) => {
        const last = onChannel(got, channel).at(-1);
        return last !== undefined && 'epoch' in last
          ? { channel, position: { epoch: last.epoch, seq: last.seq } }
          : { channel };
      });
      const rest = await replayed(wanted, { ...range, from: Math.max(START, time - MINUTE_MS) }, 'json', ownPort);
      for (const channel of channels)
        expect([...durable(got, channel), ...durable(rest.messages, channel)]).toEqual(
          durable(whole.messages, channel),
        );
    }
    const [last] = whole.all('replay_end').filter((m) => m.channel === channels[0]);
    const { epoch = 0, seq = 0 } = last ?? {};
    whole.send({ op: 'subscribe', id: 'live', channels: [{ channel: channels[0], position: { epoch, seq } }] });
    const answer = await whole.until((m) => m.type === 'subscribed' && m.id === 'live');
    expect(answer).toMatchObject({ recovered: true, candles: [], seq });
  });
});

/** As the 1h candle of the day stands after these minutes: folded the slow way. */
function open(minutes: readonly Candle[], start: number): unknown {
  const rolled = rollUp(minutes, start, start, false);
  if (rolled === null) throw new Error('no minutes');
  return toWireCandle(rolled);
}

describe('bad input', () => {
  const good = { from: START, to: END, speed: 0 };
  const one = [`candles:${A}:1m`];

  it.each([
    ['from after to', one, { from: END, to: START }, 'invalid_message', /replay\.from: must be before/],
    ['from in the future', one, { from: 9e12 }, 'invalid_message', /replay\.from: lies in the future/],
    [
      'to in the future',
      one,
      { from: START, to: 9e12 },
      'invalid_message',
      /replay\.to: lies in the future.*leave it out/,
    ],
    ['no minute', one, { from: START + 1, to: START + 2 }, 'invalid_message', /no minute begins/],
    ['no from', one, { to: END }, 'invalid_message', /replay\.from/],
    ['from as text', one, { from: '2026-01-05' }, 'invalid_message', /replay\.from/],
    ['from below zero', one, { from: -1 }, 'invalid_message', /replay\.from/],
    ['a fraction', one, { from: 1.5 }, 'invalid_message', /replay\.from/],
    ['speed below zero', one, { ...good, speed: -1 }, 'invalid_message', /replay\.speed: 0 for as fast/],
    ['speed too large', one, { ...good, speed: 100_001 }, 'invalid_message', /replay\.speed: .*100000/],
    ['speed too small', one, { ...good, speed: 0.001 }, 'invalid_message', /replay\.speed/],
    ['speed null', one, { ...good, speed: null }, 'invalid_message', /replay\.speed/],
    ['speed as text', one, { ...good, speed: 'fast' }, 'invalid_message', /replay\.speed/],
    ['an unknown field', one, { ...good, pace: 1 }, 'invalid_message', /pace/],
    ['nothing stored then', one, { from: START - DAY_MS, to: START - 1 }, 'no_history', /is stored what lies between/],
    ['nothing stored since', one, { from: END + DAY_MS }, 'no_history', /is stored what lies between/],
    ['an unknown symbol', ['candles:NOSUCH:1m'], good, 'unknown_symbol', /NOSUCH/],
    ['a bad channel', ['candles:X'], good, 'bad_channel', /no such channel/],
    ['status', ['status'], good, 'bad_channel', /only channels of candles/],
    ['signals', ['signals'], good, 'bad_channel', /only channels of candles/],
    ['atOnce', [{ channel: one[0], atOnce: true }], good, 'invalid_message', /atOnce/],
  ])('%s', async (_, channels, replay, code, message) => {
    const client = await stand.client(port);
    client.send({ op: 'subscribe', id: 'bad', channels, replay });
    expect(await client.type('error')).toMatchObject({ id: 'bad', code, message: expect.stringMatching(message) });
    await client.sync();
    expect(client.all('subscribed')).toEqual([]);
    expect(gateway.stats.replays).toBe(0);
  });

  it('NaN is no JSON', async () => {
    const client = await stand.client(port);
    client.sendRaw(`{"op":"subscribe","channels":["${one[0]}"],"replay":{"from":${START},"speed":NaN}}`);
    expect(await client.type('error')).toMatchObject({ code: 'invalid_json' });
  });

  it('a channel twice, of live and replay in either order, and of two replays', async () => {
    const client = await stand.client(port);
    const slow = { from: START, to: END, speed: 0.01 };
    client.send({ op: 'subscribe', id: 1, channels: [one[0], one[0]], replay: slow });
    client.send({ op: 'subscribe', id: 2, channels: one, replay: slow });
    client.send({ op: 'subscribe', id: 3, channels: one });
    client.send({ op: 'subscribe', id: 4, channels: [`candles:${A}:5m`] });
    client.send({ op: 'subscribe', id: 5, channels: [`candles:${A}:5m`], replay: slow });
    await client.until(() => client.all('error').length === 4);
    expect(client.all('error').map(({ id, code }) => [id, code])).toEqual(
      [1, 2, 3, 5].map((id) => [id, 'already_subscribed']),
    );
    await client.until(() => client.all('subscribed').length === 2);
    client.send({ op: 'list', id: 6 });
    expect((await client.type('channels')).channels).toEqual([one[0], `candles:${A}:5m`]);
  });

  it('too many: of a connection, of an address, of the server', async () => {
    const slow = { from: START, to: END, speed: 0.01 };
    const all = ['1m', '3m', '5m'].map((interval) => [`candles:${A}:${interval}`]);
    for (const [limit, said] of [
      ['replaysPerConnection', 'a connection'],
      ['replaysPerUser', 'an address'],
      ['replays', 'this server'],
    ] as const) {
      const own = await stand.gateway({ [limit]: 2 });
      const client = await stand.client(await own.listen('127.0.0.1', 0));
      for (const channels of all) client.send({ op: 'subscribe', channels, replay: slow });
      const error = await client.type('error');
      expect(error).toMatchObject({ code: 'too_many_replays', message: expect.stringContaining(said) });
      await client.until(() => client.all('subscribed').length === 2);
      expect(own.stats.replays).toBe(2);
      client.send({ op: 'unsubscribe', channels: all[0] });
      client.send({ op: 'subscribe', channels: all[2], replay: slow });
      await client.until(() => client.all('subscribed').length === 3);
      client.socket.terminate();
      await until(() => own.stats.replays === 0);
    }
  });
});

describe('its clock', () => {
  it('keeps the speed, by virtual time alone', async () => {
    const clock = new ManualClock(END + DAY_MS);
    const own = await stand.gateway({ pongTimeoutMs: 1e9, pingPeriodMs: 1000, heartbeatMs: 10_000 }, clock);
    const client = await stand.client(await own.listen('127.0.0.1', 0));
    const channel = `candles:${B}:1m:closed`;
    const timers = clock.timers;
    const speed = 4;
    client.send({ op: 'subscribe', channels: [channel], replay: { from: START, to: END, speed } });
    await client.type('subscribed');
    await until(() => clock.timers === timers + 2);
    for (const minutes of [1, 2, 3, 20]) {
      await clock.run(END + DAY_MS + (minutes * MINUTE_MS) / speed - 1);
      await client.sync();
      expect(client.all('candle')).toHaveLength(minutes - 1);
      // Of several pieces in a row the last waits for a millisecond.
      await clock.run(END + DAY_MS + (minutes * MINUTE_MS) / speed + 1);
      await client.sync();
      expect(client.all('candle')).toHaveLength(minutes);
      expect(client.all('candle').at(-1)?.candle.t).toBe(START + (minutes - 1) * MINUTE_MS);
    }
    // A machine that slept rushes after nothing.
    await clock.jump(END + 2 * DAY_MS);
    await client.sync();
    await clock.run(END + 2 * DAY_MS + MINUTE_MS / speed + 1);
    await client.sync();
    const got = client.all('candle').length;
    expect(got).toBeGreaterThanOrEqual(21);
    expect(got).toBeLessThanOrEqual(23);
    const beats = client.all('heartbeat').filter((beat) => beat.time !== undefined);
    expect(beats.length).toBeGreaterThan(2);
    expect(beats[0]?.time).toBe(START + 40_000);
  });
});

import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { replaySource } from '../../src/app/replay.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import { DAY_MS, MINUTE_MS } from '../../src/market/interval.js';
import { startEmbeddedDatabase } from '../../src/store/embedded/start.js';
import { Database } from '../../src/store/timescale/database.js';
import { settle, until } from '../feed/manual-clock.js';
import { testDataDir } from '../support/database.js';
import type { TestClient } from './client.js';
import { ended, fill, onChannel, ReplayStand, START } from './replay-stand.js';
import { PLAN, TestUsers } from './users.js';

const DEEP = 'DEEPUSDT';
const LIVE = 'LIVEUSDT';
const CHANNEL = `candles:${DEEP}:1m:closed`;
const MINUTES = 12_000;
const range = { from: START, to: START + MINUTES * MINUTE_MS, speed: 0 };

let stand: ReplayStand;

beforeAll(async () => {
  stand = await ReplayStand.start();
  await stand.fill(DEEP, MINUTES);
});
afterAll(() => stand.stop());

function isWhole(clients: readonly TestClient[], minutes = MINUTES): void {
  const all = clients.flatMap((client) => client.all('candle').filter(({ channel }) => channel === CHANNEL));
  expect(all).toHaveLength(minutes);
  const wrong = all.findIndex(({ candle }, i) => candle.t !== START + i * MINUTE_MS);
  expect(wrong).toBe(-1);
  expect(all.findIndex(({ prev }, i) => i > 0 && prev !== all[i - 1]?.seq)).toBe(-1);
}

function positionOf(client: TestClient): { from: number; position: { epoch: number; seq: number } } {
  const last = client.all('candle').at(-1);
  if (last === undefined) throw new Error('nothing came');
  return { from: last.candle.t, position: { epoch: last.epoch, seq: last.seq } };
}

describe.each(['uws', 'node'] as const)('a client that reads slowly: %s', (transport) => {
  /** As many candles as the window holds, and some that were on their way. */
  const MOST = 4_000;

  async function stalled(limits: object) {
    const own = await stand.gateway(
      { sweepMs: 20, pingPeriodMs: 40, pongTimeoutMs: 400, lagsInARow: 1000, ...limits },
      undefined,
      transport,
    );
    const client = await stand.client(await own.listen('127.0.0.1', 0));
    client.send({ op: 'subscribe', channels: [CHANNEL], replay: range });
    await client.type('candle');
    client.socket.pause();
    const before = own.stats.replayCandles;
    await until(() => own.stats.lagging === 1 || own.stats.closes[4001] === 1);
    expect(own.stats.replayCandles - before).toBeLessThan(MOST);
    return { own, client };
  }

  it('is waited for, and gets everything', async () => {
    const { own, client } = await stalled({ lagTimeoutMs: 60_000 });
    let messages = 0;
    client.socket.on('message', () => {
      if (++messages % 2_000 !== 0) return;
      client.socket.pause();
      void settle().then(() => client.socket.resume());
    });
    client.socket.resume();
    await ended(client, 1);
    isWhole([client]);
    expect(own.stats.closes).toEqual({});
  });

  it('is closed with 4001 when it does not read at all, and goes on from what it got', async () => {
    const { own, client } = await stalled({ lagTimeoutMs: 50 });
    await until(() => own.stats.closes[4001] === 1);
    client.socket.resume();
    expect(await client.closed()).toBe(4001);
    expect(own.stats.replayCandles).toBeLessThan(MINUTES);
    await until(() => own.stats.replays === 0);
    const { from, position } = positionOf(client);
    const back = await stand.client(await (await stand.gateway()).listen('127.0.0.1', 0));
    back.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }], replay: { ...range, from } });
    await ended(back, 1);
    isWhole([client, back]);
  });
});

describe('beside live', () => {
  it('ten replays take nothing from a live subscriber', async () => {
    const own = await stand.gateway();
    const port = await own.listen('127.0.0.1', 0);
    await stand.play([LIVE], 0, 1);
    const live = await stand.client(port);
    const channel = `candles:${LIVE}:1m:closed`;
    live.send({ op: 'subscribe', channels: [channel] });
    await live.type('subscribed');
    const clients = await Promise.all(Array.from({ length: 10 }, () => stand.client(port)));
    for (const client of clients)
      client.send({ op: 'subscribe', channels: [CHANNEL], replay: { ...range, to: START + 4_000 * MINUTE_MS } });
    await Promise.all(clients.map((client) => client.type('candle')));
    for (let minute = 1; own.stats.replays > 0; minute += 5) await stand.play([LIVE], minute, minute + 5);
    await Promise.all(clients.map((client) => ended(client, 1)));
    for (const client of clients) isWhole([client], 4_000);
    await live.sync();
    const closes = live.all('candle');
    expect(closes.length).toBeGreaterThan(20);
    closes.forEach(({ candle, prev }, i) => {
      expect(candle.t).toBe(START + (i + 1) * MINUTE_MS);
      expect(prev).toBe((closes[i - 1] ?? live.all('subscribed')[0])?.seq);
    });
    expect(own.stats.lagsTotal).toBe(0);
  });

  it('unsubscribed in the middle it stops, the channel is free, and the others go on', async () => {
    const own = await stand.gateway();
    const client = await stand.client(await own.listen('127.0.0.1', 0));
    const other = `candles:${DEEP}:5m:closed`;
    client.send({ op: 'subscribe', channels: [CHANNEL, other], replay: range });
    await client.type('candle');
    client.send({ op: 'unsubscribe', id: 'stop', channels: [CHANNEL] });
    client.send({ op: 'subscribe', id: 'again', channels: [CHANNEL], replay: { ...range, to: START + 90_000 } });
    await client.until((m) => m.type === 'subscribed' && m.id === 'again');
    const names = onChannel(client.messages, CHANNEL).map(({ type }) => type);
    const [stopped, again] = [names.indexOf('unsubscribed'), names.lastIndexOf('subscribed')];
    expect(names.slice(stopped + 1, again)).toEqual([]);
    expect(stopped).toBeLessThan(MINUTES);
    await ended(client, 2);
    expect(client.all('candle').filter(({ channel }) => channel === other)).toHaveLength(
      Math.floor((MINUTES - 3) / 5) + 1,
    );
    expect(
      onChannel(client.messages, CHANNEL)
        .slice(again)
        .map(({ type }) => type),
    ).toEqual(['subscribed', 'candle', 'candle', 'replay_end']);
  });
});

describe('plans', () => {
  it('bound the intervals, the channels, how far back it goes and how many there are', async () => {
    const users = new TestUsers();
    const user = '0198f0c2-a1b2-7c3d-8e4f-5a6b7c8d9e0f';
    const plan = {
      ...PLAN,
      plan: 'free',
      historyDays: 2,
      intervals: ['1m', '1h'],
      channels: 2,
      connections: 1,
    } as const;
    const token = users.accounts.token(user, { entitlements: plan });
    const own = await stand.gateway({}, undefined, 'uws', { users });
    const client = await stand.client(await own.listen('127.0.0.1', 0));
    client.send({ op: 'auth', token });
    await client.type('authenticated');
    const recent = { from: range.to - DAY_MS, to: range.to, speed: 0.01 };
    const ask = async (id: string, channels: readonly unknown[], replay: object) => {
      client.send({ op: 'subscribe', id, channels, replay });
      return client.until((m) => 'id' in m && m.id === id);
    };
    const refused = { type: 'error', code: 'plan_limit', plan: 'free' };
    expect(await ask('1', [CHANNEL], range)).toMatchObject({ ...refused, limit: 'historyDays' });
    expect(await ask('2', [`candles:${DEEP}:5m`], recent)).toMatchObject({ ...refused, limit: 'intervals' });
    const answer = await ask('3', [{ channel: CHANNEL, snapshot: 1000 }, `candles:${DEEP}:1h`], recent);
    expect(answer).toMatchObject({ type: 'subscribed' });
    expect(await ask('4', [`candles:${DEEP}:1m`], recent)).toMatchObject({ code: 'too_many_replays' });
    client.send({ op: 'unsubscribe', channels: [CHANNEL] });
    await client.type('unsubscribed');
    users.accounts.setPlan(user, { ...plan, intervals: ['1m'] });
    own.sweep();
    expect(await client.until((m) => m.type === 'unsubscribed' && m.reason === 'plan_limit')).toMatchObject({
      channel: `candles:${DEEP}:1h`,
    });
    expect(own.stats.replays).toBe(0);
    const early = { from: range.to - 2 * DAY_MS + MINUTE_MS, to: range.to, speed: 0.01 };
    const limited = await ask('5', [{ channel: CHANNEL, snapshot: 1000 }], early);
    expect(limited).toMatchObject({ type: 'subscribed', limited: { historyDays: 2 }, candles: [{ r: 0 }] });
  });
});

describe('a database that dies in the middle', () => {
  it('is told, and the replay goes on where it was', async () => {
    const dataDir = await testDataDir();
    onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
    const open = async () => {
      const engine = await startEmbeddedDatabase({ dataDir, log: silentLog });
      const database = new Database({ url: engine.url, clock: systemClock, max: 2, deadlineMs: 2_000 });
      const gateway = await stand.gateway({}, undefined, 'uws', { replays: replaySource(database) });
      const client = await stand.client(await gateway.listen('127.0.0.1', 0));
      return { engine, database, client };
    };
    const first = await open();
    await fill(first.database, DEEP, MINUTES);
    first.client.send({ op: 'subscribe', channels: [CHANNEL], replay: range });
    await first.client.until(() => first.client.messages.length > 3_000);
    await first.engine.stop();
    expect(await first.client.type('replay_end')).toMatchObject({ reason: 'history_unavailable' });
    await first.database.close();
    const second = await open();
    const { from, position } = positionOf(first.client);
    second.client.send({ op: 'subscribe', channels: [{ channel: CHANNEL, position }], replay: { ...range, from } });
    await ended(second.client, 1);
    isWhole([first.client, second.client]);
    await second.database.close();
    await second.engine.stop();
  });
});

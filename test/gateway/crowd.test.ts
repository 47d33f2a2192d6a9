import { setImmediate as immediate } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { LocalBus } from '../../src/bus/local.js';
import { type Clock, systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { TestClient } from './client.js';
import { Harness } from './harness.js';
import { TestMarket } from './market.js';

const CHANNEL = 'candles:BTCUSDT:1m';
const CLIENTS = 50;
const RESUMES = 2000;
const MINUTE_SEQ = 2 ** 20;

/** However slow the machine: what was read is still kept when the last one comes. */
const patientClock: Clock = { ...systemClock, after: (delayMs, run) => systemClock.after(delayMs * 100, run) };

describe('two thousand resumes', () => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  /** @returns how many candles came. */
  async function resume(client: TestClient, id: number, seq: number): Promise<number> {
    client.send({ op: 'subscribe', id, channels: [{ channel: CHANNEL, position: { epoch: 7, seq } }] });
    const reply = await client.until((m) => m.type === 'subscribed' && m.id === id);
    client.send({ op: 'unsubscribe', id, channels: [CHANNEL] });
    client.forget();
    client.raw.length = 0;
    expect(reply).toMatchObject({ recovered: true });
    return reply.type === 'subscribed' ? reply.candles.length : 0;
  }

  /** All clients at once, over and over; `back` says how many candles each of the resumes has missed. */
  async function crowd(market: TestMarket, back: (i: number) => number): Promise<number> {
    const bus = new LocalBus((symbol, interval) => market.windowOf(symbol, interval));
    const own = await Harness.over(bus, market, 'uws', { messageBurst: 100_000 }, silentLog, patientClock);
    harness = own;
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => own.client()));
    const newest = market.seq;
    const each = async (client: TestClient, first: number): Promise<void> => {
      for (let i = first; i < RESUMES; i += CLIENTS)
        expect(await resume(client, i, newest - back(i) * MINUTE_SEQ)).toBe(back(i));
    };
    await Promise.all(clients.map(each));
    return own.gateway.stats.historyReads;
  }

  it('at different positions share one read of the store, and each gets what it missed', async () => {
    const market = new TestMarket('BTCUSDT', () => immediate());
    market.closeMany(1000);
    expect(await crowd(market, (i) => 130 + ((i * 37) % 101))).toBe(1);
  });

  it('of any age share a few', async () => {
    const market = new TestMarket('BTCUSDT', () => immediate());
    market.closeMany(1500);
    expect(await crowd(market, (i) => (i % 20 === 0 ? 130 + ((i * 37) % 1300) : 130 + (i % 50)))).toBeLessThan(4);
  });

  it('are not answered from what was read before the store had to be asked for more', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(400);
    const own = await Harness.start(market);
    harness = own;
    const client = await own.client();
    const position = market.seq - 200 * MINUTE_SEQ;
    expect(await resume(client, 1, position)).toBe(200);
    for (let i = 0; i < 600; i++) own.bus.publish(market.close());
    await client.sync();
    expect(await resume(client, 2, position)).toBe(800);
    own.bus.publish(market.correct(55));
    expect(await resume(client, 3, position)).toBe(800);
  });
});

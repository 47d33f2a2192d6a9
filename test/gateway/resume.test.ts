import { setImmediate as immediate } from 'node:timers/promises';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { Interval } from '../../src/market/interval.js';
import type { Position } from '../../src/market/position.js';
import { Follower } from './follower.js';
import { Harness, TRANSPORTS } from './harness.js';
import { TestMarket } from './market.js';

describe.each(TRANSPORTS)('resume on %s', (transport) => {
  let harness: Harness | null = null;
  afterEach(async () => {
    await harness?.stop();
    harness = null;
  });

  async function resume(own: Harness, position: Position, snapshot?: number) {
    const client = await own.client();
    const item = { channel: 'candles:BTCUSDT:1m', position, ...(snapshot === undefined ? {} : { snapshot }) };
    client.send({ op: 'subscribe', channels: [item] });
    return await client.type('subscribed');
  }

  it('from memory: what closed, was corrected and was a gap since', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(200);
    harness = await Harness.start(market, transport);
    const position = { epoch: 7, seq: market.seq };
    market.closeMany(3);
    market.correct(20);
    market.gap(2);
    market.close();
    const answer = await resume(harness, position);
    expect(answer).toMatchObject({ recovered: true, seq: market.seq, gaps: [{ reason: 'disconnected' }] });
    const expected = market.candles('1m').filter((candle) => candle.seq > position.seq);
    expect(answer.candles.map((c) => c.t)).toEqual(expected.map((c) => c.openTime));
    expect(answer.candles.map((c) => c.r)).toEqual([1, 0, 0, 0, 0]);
    expect(market.reads).toBe(0);
  });

  it('with nothing missed: nothing', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(200);
    harness = await Harness.start(market, transport);
    const answer = await resume(harness, { epoch: 7, seq: market.seq });
    expect(answer).toMatchObject({ recovered: true, candles: [], gaps: [] });
  });

  it('from the store, however long ago, with corrections older than memory', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    const position = { epoch: 7, seq: market.seq };
    market.correct(59);
    market.closeMany(1500);
    market.gap(10);
    market.closeMany(500);
    market.correct(5);
    harness = await Harness.start(market, transport);
    const answer = await resume(harness, position);
    expect(answer.recovered).toBe(true);
    const expected = market.candles('1m').filter((candle) => candle.seq > position.seq);
    expect(answer.candles.map((c) => [c.t, c.r])).toEqual(expected.map((c) => [c.openTime, c.revision]));
    expect(answer.gaps).toHaveLength(1);
  });

  it('from an older epoch of the same database', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(200);
    const { seq } = market;
    market.closeMany(2);
    harness = await Harness.start(market, transport);
    expect(await resume(harness, { epoch: 5, seq })).toMatchObject({ recovered: true, epoch: 7 });
  });

  it.each([
    ['a wiped database', { epoch: 4, back: 0 }],
    ['a newer epoch', { epoch: 8, back: 0 }],
    ['the future', { epoch: 7, back: -1 }],
  ])('from %s: a fresh snapshot that says so', async (_name, { epoch, back }) => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(200);
    harness = await Harness.start(market, transport, { catchUpMs: 100 });
    const answer = await resume(harness, { epoch, seq: market.seq - back });
    expect(answer.recovered).toBe(false);
    expect(answer.candles).toHaveLength(100);
    expect((await resume(harness, { epoch, seq: market.seq - back }, 7)).candles).toHaveLength(7);
  });

  it('of too much: a fresh snapshot that says so', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(20);
    const position = { epoch: 7, seq: market.seq };
    market.closeMany(1200);
    harness = await Harness.start(market, transport, { resumeCandles: 1199 });
    expect(await resume(harness, position, 3)).toMatchObject({ recovered: false });
    await harness.stop();
    harness = await Harness.start(market, transport, { resumeCandles: 1200 });
    expect(await resume(harness, position, 3)).toMatchObject({ recovered: true });
  });

  it('of what the store does not keep: a fresh snapshot that says so', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(20);
    const position = { epoch: 7, seq: market.seq };
    market.closeMany(1200);
    market.history.since = async () => null;
    harness = await Harness.start(market, transport);
    expect(await resume(harness, position, 3)).toMatchObject({ recovered: false });
  });

  it('a store that is behind is no proof', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    const position = { epoch: 7, seq: market.seq };
    market.closeMany(900);
    market.storedSeq = position.seq + 5 * 2 ** 20;
    harness = await Harness.start(market, transport);
    expect(await resume(harness, position, 10)).toMatchObject({ recovered: false });
  });

  it('a store that is away: an error, and the position stays good', async () => {
    const market = new TestMarket('BTCUSDT');
    market.closeMany(300);
    const position = { epoch: 7, seq: market.seq };
    market.closeMany(900);
    market.historyDown = true;
    harness = await Harness.start(market, transport);
    const client = await harness.client();
    client.send({ op: 'subscribe', id: 1, channels: [{ channel: 'candles:BTCUSDT:1m', position }] });
    expect(await client.type('error')).toMatchObject({ id: 1, code: 'history_unavailable' });
    market.historyDown = false;
    client.send({ op: 'subscribe', id: 2, channels: [{ channel: 'candles:BTCUSDT:1m', position }] });
    expect(await client.type('subscribed')).toMatchObject({ id: 2, recovered: true });
  });

  /** Disconnects at any moment, resumes at any later one: what the client holds is the truth in the end. */
  const away = fc.array(
    fc.record({
      step: fc.constantFrom('close', 'close', 'close', 'correct', 'gap', 'many', 'drop', 'yield'),
      n: fc.nat(200),
    }),
    { minLength: 5, maxLength: 50 },
  );

  it('loses nothing over any number of disconnects', async () => {
    const run = async (steps: readonly { step: string; n: number }[], windowCandles: number, interval: Interval) => {
      const market = new TestMarket('BTCUSDT', () => immediate());
      market.closeMany(130);
      market.windowCandles = windowCandles;
      const own = await Harness.start(market, transport, { lingerMs: 0, sweepMs: 10 });
      const channel = `candles:BTCUSDT:${interval}`;
      const follower = new Follower(channel);
      let client = await own.client();
      client.send({ op: 'subscribe', channels: [{ channel, snapshot: 50 }] });
      await client.type('subscribed');
      for (const { step, n } of steps) {
        if (step === 'close') own.bus.publish(market.close());
        else if (step === 'correct') own.bus.publish(market.correct(n % 60));
        else if (step === 'gap') own.bus.publish(market.gap(1 + (n % 9)));
        else if (step === 'many') for (let i = 0; i < n; i++) own.bus.publish(market.close());
        else if (step === 'yield') await immediate();
        else {
          client.socket.terminate();
          await client.closed();
          follower.read(client.messages);
          const position = { epoch: follower.epoch, seq: follower.seq };
          for (let i = 0; i < n % 20; i++) own.bus.publish(n % 3 ? market.close() : market.correct(i));
          client = await own.client();
          client.send({ op: 'subscribe', channels: [{ channel, position }] });
          expect(await client.until((m) => 'channel' in m)).toMatchObject({ type: 'subscribed', recovered: true });
        }
      }
      await client.sync();
      follower.read(client.messages).expectTruth(market, interval);
      await own.stop();
    };
    const property = fc.asyncProperty(away, fc.integer({ min: 2, max: 128 }), fc.constantFrom('1m', '5m'), run);
    await fc.assert(property, { numRuns: 25, endOnFailure: true });
  });
});

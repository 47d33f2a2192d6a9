import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Around } from '../../src/app/around.js';
import { BringAwaited } from '../../src/app/bring-awaited.js';
import { unexplained } from '../../src/app/refetch.js';
import type { Store } from '../../src/app/store.js';
import { adopt, type Published } from '../../src/app/takeover.js';
import type { FeedSpec } from '../../src/feed/spec.js';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { Candle } from '../../src/market/candle.js';
import { MINUTE_MS } from '../../src/market/interval.js';
import { nextSeq } from '../../src/market/position.js';
import { Spool } from '../../src/store/spool/spool.js';
import { Database } from '../../src/store/timescale/database.js';
import { CandleHistory } from '../../src/store/timescale/history.js';
import { quarantine } from '../../src/store/timescale/quarantine.js';
import { TimescaleWriter } from '../../src/store/timescale/writer.js';
import { allowEpochs } from '../store/timescale-support.js';
import { type TestDatabase, testDatabase } from '../support/database.js';
import { exchangeKlines, TRADES_FILE } from '../support/oracle.js';

const EPOCH = 7;
const klines = exchangeKlines();
const T0 = klines[0]?.[0] ?? 0;
let database: TestDatabase;
let store: Store;
let stop: () => Promise<void>;

beforeAll(async () => {
  database = await testDatabase();
  await allowEpochs(database.connect({ max: 1 }), 6, EPOCH);
  const directory = `${database.dataDir}/spool-of-test`;
  const spool = new Spool({ directory, clock: systemClock, log: silentLog });
  await spool.start();
  const options = { url: database.url, clock: systemClock, log: silentLog };
  const writer = new TimescaleWriter({ ...options, source: spool, quarantineDirectory: directory });
  await writer.start();
  const readers = new Database({ url: database.url, clock: systemClock, max: 2 });
  const history = new CandleHistory(readers);
  store = { spool, writer, readers, history, url: database.url, embedded: true, firstEpoch: 0, failed: never() };
  stop = async () => {
    await writer.stop();
    await spool.stop();
    await readers.close();
    await database.stop();
    await rm(directory, { recursive: true, force: true });
  };
}, 60_000);
afterAll(() => stop());

function never(): Promise<never> {
  return new Promise(() => {});
}

function around(...feeds: FeedSpec[]): Around {
  const config = { feeds, graceMs: 2000, dataDir: database.dataDir };
  return { config, clock: systemClock, log: silentLog } as unknown as Around;
}

/** The minutes [from, to) of the exchange, counted from its first. */
function minutes(symbol: string, from: number, to: number): Candle[] {
  return klines.slice(from, to).map(([openTime, open, high, low, close, volume]) => ({
    symbol,
    interval: '1m',
    openTime,
    open,
    high,
    low,
    close,
    volume,
    quoteVolume: '0.0000000000000000',
    takerBuyVolume: '0.00000000',
    takerBuyQuoteVolume: '0.0000000000000000',
    trades: 1000,
    firstTradeId: null,
    lastTradeId: null,
    firstTradeTime: null,
    lastTradeTime: null,
    closed: true,
    revision: 0,
    seq: nextSeq(0, openTime),
  }));
}

const at = (minute: number): number => T0 + minute * MINUTE_MS;

/** The last writer stored [0, stored) and published [from, to) last. */
async function diedWith(symbol: string, stored: number, from: number, to: number): Promise<Published> {
  await store.spool.append(minutes(symbol, 0, stored).map((candle) => ({ kind: 'candle', epoch: 6, candle })));
  await store.writer.drained();
  const position = { epoch: 6, seq: nextSeq(0, at(to - 1)) };
  return { symbol, position, minutes: minutes(symbol, from, to), gaps: [] };
}

const stored = (symbol: string) => store.history.range(symbol, '1m', 0, at(10_000), 10_000);
const gaps = (symbol: string) => store.history.gaps(symbol, 0, at(10_000));

describe('what the last writer published and the database lacks', () => {
  it('is written where it joins what is stored, and nothing is announced', async () => {
    await adopt([await diedWith('JOINS', 10, 10, 40)], EPOCH, around({ kind: 'push' }), store);
    expect((await stored('JOINS')).map(({ openTime }) => openTime)).toEqual(range(0, 40).map(at));
    expect(await gaps('JOINS')).toEqual([]);
  });

  it('is a gap where the bus no longer holds it and no feed has it, told after everything that was published', async () => {
    const published = await diedWith('PUSHED', 9, 109, 229);
    await adopt([published], EPOCH, around({ kind: 'push' }), store);
    const found = await gaps('PUSHED');
    expect(found).toMatchObject([{ from: at(9), to: at(109) }]);
    expect(found[0]?.seq).toBeGreaterThan(published.position?.seq ?? 0);
    expect((await stored('PUSHED')).map(({ openTime }) => openTime)).toEqual(
      [...range(0, 9), ...range(109, 229)].map(at),
    );
    // The successor may die before it goes live: the next one finds the same, and announces nothing twice.
    await adopt([published], EPOCH, around({ kind: 'push' }), store);
    expect(await gaps('PUSHED')).toEqual(found);
  });

  it('is a gap only where none was announced before', async () => {
    const published = await diedWith('PARTLY', 5, 30, 40);
    const known = { symbol: 'PARTLY', from: at(10), to: at(20), reason: 'away', seq: nextSeq(0, at(20)) };
    await adopt([{ ...published, gaps: [known] }], EPOCH, around({ kind: 'push' }), store);
    expect((await gaps('PARTLY')).map(({ from, to }) => [from, to])).toEqual([
      [at(10), at(20)],
      [at(5), at(10)],
      [at(20), at(30)],
    ]);
  });

  it('is a gap also where it begins behind one', async () => {
    const published = await diedWith('BEHIND', 5, 30, 40);
    const known = { symbol: 'BEHIND', from: at(5), to: at(20), reason: 'away', seq: nextSeq(0, at(20)) };
    await adopt([{ ...published, gaps: [known] }], EPOCH, around({ kind: 'push' }), store);
    expect((await gaps('BEHIND')).map(({ from, to }) => [from, to])).toEqual([
      [at(5), at(20)],
      [at(20), at(30)],
    ]);
  });

  it('comes from the quarantine of the node that closed it, of no other, and where it is awaited only', async () => {
    const symbol = 'LATE';
    const published = await diedWith(symbol, 9, 109, 229);
    const again = () => adopt([published], EPOCH, around({ kind: 'push' }), store);
    await again();
    const told = (await gaps(symbol))[0]?.seq ?? 0;
    const directory = `${database.dataDir}/quarantine-of-test`;
    const records = (epoch: number, some: readonly Candle[]) =>
      quarantine(
        directory,
        some.map((candle) => ({ kind: 'candle', epoch, candle })),
        () => `fenced: epoch ${epoch} is not the current writer`,
      );
    // A node that hung while the one that died took over closed a minute of its own.
    await records(
      5,
      minutes(symbol, 70, 71).map((candle) => ({ ...candle, volume: '1.00000000' })),
    );
    await records(6, minutes(symbol, 9, 60));
    await records(
      6,
      minutes(symbol, 30, 31).map((candle) => ({ ...candle, revision: 1 })),
    );
    const refreshed: number[] = [];
    const refresh = async (from: number, to: number) => void refreshed.push(from, to);
    const options = { directory, readers: store.readers, refresh, clock: systemClock, log: silentLog };
    const node = new BringAwaited(options);
    await node.bring();
    const opens = async () => (await stored(symbol)).map(({ openTime }) => openTime);
    expect(await opens()).toEqual([...range(0, 60), ...range(109, 229)].map(at));
    expect((await stored(symbol))[30]?.revision).toBe(1);
    expect(refreshed).toEqual([at(9), at(60)]);
    await again();
    expect(await gaps(symbol)).toMatchObject([{ from: at(9), to: at(109), seq: told }]);

    // What the successor has stays, and what is after the gap was never awaited.
    const wrong = minutes(symbol, 109, 111).map((candle) => ({ ...candle, volume: '1.00000000', revision: 9 }));
    await records(6, [...minutes(symbol, 60, 109), ...wrong, ...minutes(symbol, 229, 231)]);
    await node.bring();
    expect(await opens()).toEqual(range(0, 229).map(at));
    expect((await stored(symbol))[70]?.volume).toBe(minutes(symbol, 70, 71)[0]?.volume);
    expect((await stored(symbol))[109]?.revision).toBe(0);
    await again();
    expect(await gaps(symbol)).toMatchObject([{ from: at(109), to: at(109), seq: told + 1 }]);
    await records(6, wrong);
    await node.bring();
    expect((await stored(symbol))[109]?.revision).toBe(0);
  });

  it('is fetched again from a feed that has it, equal to the exchange, at the positions that it had', async () => {
    const symbol = 'XRPETH';
    const replay: FeedSpec = { kind: 'replay', file: TRADES_FILE, speed: 1, symbol };
    await adopt([await diedWith(symbol, 70, 200, 320)], EPOCH, around(replay), store);
    const found = await stored(symbol);
    expect(found.map((c) => [c.openTime, c.open, c.high, c.low, c.close, c.volume])).toEqual(klines.slice(0, 320));
    expect(found.map(({ seq }) => seq)).toEqual(range(0, 320).map((minute) => nextSeq(0, at(minute))));
    expect(await gaps(symbol)).toEqual([]);
  });

  it('begins nowhere where nothing is stored', async () => {
    await adopt([await diedWith('NEW', 0, 100, 110)], EPOCH, around({ kind: 'push' }), store);
    expect(await gaps('NEW')).toEqual([]);
    expect(await stored('NEW')).toHaveLength(10);
  });
});

it('a gap explains every minute that it touches', () => {
  const gap = (from: number, to: number) => ({ from: at(from), to: at(to) });
  expect(unexplained(gap(0, 10), [])).toEqual([gap(0, 10)]);
  expect(unexplained(gap(0, 10), [gap(-5, 20)])).toEqual([]);
  expect(unexplained(gap(0, 10), [gap(2.5, 3), gap(8, 9)])).toEqual([gap(0, 2), gap(3, 8), gap(9, 10)]);
});

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

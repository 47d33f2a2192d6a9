import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClickHouse } from '../../src/analytics/clickhouse.js';
import type { DailyRow } from '../../src/analytics/database.js';
import { testDataDir } from '../support/database.js';
import { Server } from '../support/server.js';
import {
  allRows,
  clickHouseOf,
  DAY,
  daily,
  date,
  enginePid,
  FROM,
  HOUR,
  LiveStream,
  MINUTE,
  pushed,
  rebuilt,
  trade,
} from './analytics-support.js';
import { ended, eventually, get, logged, metric, Places } from './support.js';

/** The analytics of the program as a user runs it, with both databases embedded. The filler comes 30 s after the start. */

const places = new Places();
let dataDir: string;
let server: Server;
let live: LiveStream;
let clickHouse: ClickHouse;

const DAY_OF = `
  SELECT symbol, date, open, high, low, close, volume, quote_volume AS quoteVolume, trades, version
  FROM daily_ohlcv FINAL WHERE symbol = {symbol:String} AND date = {date:Date}`;

/** Two silences of more than a day: the feed cannot know what was traded in them. */
const WITH_HOLES = [
  trade('ANA', 1, FROM + 23 * HOUR, '10'),
  trade('ANA', 2, FROM + 23 * HOUR + 5 * MINUTE, '12'),
  trade('ANA', 10, FROM + 2 * DAY + HOUR, '8'),
  trade('ANA', 20, FROM + 3 * DAY + 2 * HOUR, '9'),
  trade('ANA', 21, FROM + 3 * DAY + 2 * HOUR + 2 * MINUTE, '9'),
];
const ANA_DAYS = [
  { date: date(0), open: 10, high: 12, low: 10, close: 12, volume: 4 },
  { date: date(2), open: 8, high: 8, low: 8, close: 8, volume: 2 },
];
/** Its first day is over, and may be corrected. */
const OVER_MIDNIGHT = [trade('REV', 1, FROM + DAY - 10 * MINUTE, '5'), trade('REV', 2, FROM + DAY + 5 * MINUTE, '6')];

beforeAll(async () => {
  dataDir = await testDataDir();
  places.keep(dataDir);
  server = await Server.start({ DATA_DIR: dataDir, FEEDS: 'push' });
  const filled = [trade('FIL', 1, FROM + DAY - MINUTE, '5'), trade('FIL', 2, FROM + DAY + MINUTE, '6')];
  await pushed(server, [...WITH_HOLES, ...OVER_MIDNIGHT, ...filled], 'past');
  live = new LiveStream(server);
  await live.start();
  // The first question starts the engine.
  expect(await daily(server, 'ANA')).toMatchObject({ status: 200, body: { days: [] } });
  clickHouse = await clickHouseOf(dataDir);
});
afterAll(async () => {
  live?.stop();
  await clickHouse?.close();
  await server?.stop();
  await places.clear();
});

const REBUILD = ['--from', date(0), '--symbol', 'ANA'];

describe('candlecast analytics rebuild, beside the server', () => {
  it('makes the complete days, and says which of them have holes', async () => {
    const { code, told } = await live.beside(rebuilt(dataDir, ...REBUILD));
    expect(code).toBe(0);
    expect(told).toMatchObject({ symbols: 1, resumedAfter: null, days: 2, written: 2, removed: 0 });
    const reason = 'no trades were pushed for more than a day';
    expect(told.holes).toMatchObject([
      { symbol: 'ANA', days: [date(0), date(1), date(2)], reason },
      { symbol: 'ANA', days: [date(2), date(3)], reason },
    ]);
    expect((await daily(server, 'ANA')).body).toMatchObject({
      days: ANA_DAYS,
      holes: [{ from: date(1), to: date(2) }],
    });
  });

  it('changes nothing when it is run again, and says the same of the holes in words', async () => {
    const before = await allRows(clickHouse);
    const { code, said } = await ended(['analytics', 'rebuild', ...REBUILD], { DATA_DIR: dataDir });
    expect({ code, said }).toMatchObject({ code: 0 });
    expect(said).toContain(`1 symbols, ${date(0)} to ${date(3)}: 2 days, 0 of them written, 0 taken away`);
    expect(said).toMatch(
      new RegExp(`\n  ANA  ${date(0)} to ${date(2)}  .*: no trades were pushed for more than a day`),
    );
    expect(await allRows(clickHouse)).toEqual(before);
  });

  it('has a day anew that was corrected, and takes away what should not be', async () => {
    const rebuild = async () => (await rebuilt(dataDir, '--from', date(-9), '--symbol', 'REV')).told;
    expect(await rebuild()).toMatchObject({ days: 1, written: 1 });
    await pushed(server, [trade('REV', 3, FROM + DAY - 2 * MINUTE, '4')], 'past');
    const [found] = await clickHouse.rows<DailyRow>(DAY_OF, { symbol: 'REV', date: date(0) });
    const version = Date.now() * 1000;
    await clickHouse.insert([{ ...(found as DailyRow), date: date(-9), version }]);
    expect(await rebuild()).toMatchObject({ days: 1, written: 1, removed: 1 });
    const corrected = { date: date(0), open: 5, high: 5, low: 4, close: 4, volume: 4 };
    expect((await daily(server, 'REV')).body.days).toMatchObject([corrected]);
  });
});

describe('candlecast analytics explain', () => {
  const explained = () => ended(['analytics', 'explain', '--from', date(0), '--symbol', 'ANA'], { DATA_DIR: dataDir });

  it('names what differs, what it should be and why, and ends with 1', async () => {
    const [found] = await clickHouse.rows<DailyRow>(DAY_OF, { symbol: 'ANA', date: date(0) });
    await clickHouse.insert([{ ...(found as DailyRow), high: 99, version: Date.now() * 1000 }]);
    const { code, said } = await explained();
    expect({ code, said }).toMatchObject({ code: 1 });
    expect(said).toMatch(
      new RegExp(`daily_ohlcv  ANA  ${date(0)}  out of date: the day was corrected .* \\(high 99, should be 12\\)`),
    );
  });

  it('has nothing to name once it is rebuilt', async () => {
    expect((await rebuilt(dataDir, ...REBUILD)).told).toMatchObject({ written: 1 });
    const { code, said } = await explained();
    expect({ code, said }).toMatchObject({ code: 0 });
    expect(said).toMatch(/nothing differs/);
  });
});

describe('the engine', () => {
  const usual = async () => (await daily(server, 'ANA')).body;
  const other = async () => [
    (await get(server, '/v1/candles?symbol=ANA&interval=1d')).status,
    (await get(server, '/readyz')).status,
  ];

  it('that is frozen: 503 with Retry-After, and all else goes on', async () => {
    const before = await usual();
    const pid = await enginePid(dataDir);
    process.kill(pid, 'SIGSTOP');
    const { status, headers, body } = await live.beside(daily(server, 'ANA'));
    expect(await other()).toEqual([200, 200]);
    process.kill(pid, 'SIGCONT');
    expect([status, body.code]).toEqual([503, 'analytics_unavailable']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await usual()).toEqual(before);
    expect(live.faults).toEqual([]);
  });

  it('that computes something heavy: others are answered, and it ends at its limit', async () => {
    const heavy = clickHouse.rows(
      'SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1',
      {},
      { deadlineMs: 1000 },
    );
    heavy.catch(() => {});
    const { status } = await live.beside(daily(server, 'ANA'));
    expect(status).toBe(200);
    await expect(heavy).rejects.toThrow(/takes more than the 1 s it may: ask for fewer symbols or a shorter time/);
    expect(live.faults).toEqual([]);
  });

  it('that is killed under a question: 503 with Retry-After, and the next ones start it again', async () => {
    const before = await usual();
    const pid = await enginePid(dataDir);
    process.kill(pid, 'SIGSTOP');
    const asked = daily(server, 'ANA');
    await live.beside(Promise.resolve());
    process.kill(pid, 'SIGKILL');
    const { status, headers, body } = await live.beside(asked);
    expect([status, body.code]).toEqual([503, 'analytics_unavailable']);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    await server.printed(/the embedded ClickHouse has ended by itself/);
    expect(await other()).toEqual([200, 200]);
    await live.beside(
      eventually(
        () => daily(server, 'ANA'),
        (answer) => answer.status === 200,
      ),
    );
    expect(await usual()).toEqual(before);
    expect(await enginePid(dataDir)).not.toBe(pid);
    expect(live.faults).toEqual([]);
    await clickHouse.close();
    clickHouse = await clickHouseOf(dataDir);
  });
});

describe('what is given wrong', () => {
  it.each([
    ['daily', 400, /"symbol" is missing, such as symbol=BTCUSDT/],
    ['daily?symbol=NOPE', 404, /No feed has NOPE and nothing is stored; GET \/v1\/symbols lists what there is/],
    ['daily?symbol=ANA&days=4001', 400, /"days" must be an integer from 1 to 4000; it is "4001"/],
    ['volatility?symbol=ANA&from=2024-02-30', 400, /"from" must be epoch milliseconds/],
  ])('GET /v1/analytics/%s: %i', async (path, status, words) => {
    const answer = await get<{ detail: string }>(server, `/v1/analytics/${path}`);
    expect([answer.status, answer.body.detail]).toEqual([status, expect.stringMatching(words)]);
  });

  it('a symbol that nobody has, to the command', async () => {
    const { code, said } = await ended(['analytics', 'rebuild', '--from', date(0), '--symbol', 'NOPE'], {
      DATA_DIR: dataDir,
    });
    expect([code, said]).toEqual([
      2,
      expect.stringMatching(/there are no candles of NOPE: --symbol is one of those stored/),
    ]);
    expect(said).not.toMatch(/\n {4}at /);
  });
});

describe('the filler', () => {
  it('brings days that have closed by itself, and counts what it wrote', async () => {
    const { body } = await eventually(
      () => daily(server, 'FIL'),
      (answer) => answer.body.days.length > 0,
      // Two passes: the engine may have been frozen or killed, as above, in the first.
      130_000,
    );
    expect(body.days).toMatchObject([{ date: date(0), open: 5, close: 5, volume: 2, return: null }]);
    await eventually(
      () => metric(server, 'analytics_filled_until_timestamp_seconds'),
      (seconds) => seconds === (FROM + 4 * DAY) / 1000,
    );
    // Those of the others were there already.
    expect(await metric(server, 'analytics_rows_written_total')).toBe(1);
    expect(await metric(server, 'analytics_up')).toBe(1);
    expect(logged(server).filter(({ level }) => level === 50)).toHaveLength(1);
  });
});

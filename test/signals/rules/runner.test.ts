import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { systemClock } from '../../../src/kit/clock.js';
import type { Candle } from '../../../src/market/candle.js';
import { MINUTE_MS } from '../../../src/market/interval.js';
import { newSignalId } from '../../../src/signals/ids.js';
import type { Firing, Progress } from '../../../src/signals/rules/evaluator.js';
import { Firings, guardOf } from '../../../src/signals/rules/firings.js';
import type { RuleRunner, RunnerOptions } from '../../../src/signals/rules/runner.js';
import type { Condition } from '../../../src/signals/rules/schema.js';
import type { RuleView } from '../../../src/signals/rules/service.js';
import { RuleStore } from '../../../src/signals/rules/store.js';
import { toSignal } from '../../../src/signals/rules/to-signal.js';
import type { Sql } from '../../../src/signals/sql.js';
import { SignalStore } from '../../../src/signals/store.js';
import { type Engine, SignalsDatabase } from '../support.js';
import { candle, realMinutes } from './candles.js';
import { MANY_RULES } from './many-rules.js';
import { offlineFirings } from './offline.js';
import { RuleMarket } from './rule-market.js';
import { entitled, identityOf, runnerOn, serviceOn, signalsIn, standing } from './runners.js';

const minutes = realMinutes();
const SERIES = { symbol: 'XRPETH', interval: '1m' } as const;
const BEGIN = 2600;
const LIVE = 300;

describe.each<Engine>(['PostgreSQL', 'embedded'])('rules on %s', (engine) => {
  let database: SignalsDatabase;
  let market: RuleMarket;
  let running: RuleRunner[] = [];

  beforeAll(async () => {
    database = await SignalsDatabase.start(engine);
  });
  afterAll(() => database.stop());
  beforeEach(async () => {
    await database.sql.query('DELETE FROM users');
    await database.sql.query('DELETE FROM rule_progress');
    market = new RuleMarket();
    return async () => {
      await Promise.all(running.map((runner) => runner.stop()));
      running = [];
    };
  });

  async function start(more: Partial<RunnerOptions> = {}, sql: Sql = database.sql): Promise<RuleRunner> {
    const runner = runnerOn(sql, market, more);
    running.push(runner);
    await runner.start();
    return runner;
  }

  async function stop(runner: RuleRunner): Promise<void> {
    running = running.filter((other) => other !== runner);
    await runner.stop();
  }

  /** Everything that has closed is judged. */
  async function judged(series: { symbol: string; interval: '1m' } = SERIES): Promise<void> {
    const newest = market.newest(series);
    const seq = Math.max(...market.list(series).map((one) => one.seq));
    await vi.waitFor(
      async () => expect(await new Firings(database.sql).begin(series, 0)).toEqual({ openTime: newest?.openTime, seq }),
      { timeout: 60_000, interval: 5 },
    );
  }

  async function ready(runner: RuleRunner, series = 1): Promise<void> {
    await vi.waitFor(() => expect(runner.size).toEqual({ series, ready: series }), { timeout: 60_000, interval: 2 });
  }

  async function make(
    userId: string,
    rules: readonly { readonly when: Condition }[],
    symbol = 'XRPETH',
  ): Promise<RuleView[]> {
    const service = serviceOn(database.sql, market);
    const made: RuleView[] = [];
    for (const rule of rules) made.push(await service.create(identityOf(userId), { symbol, interval: '1m', ...rule }));
    return made;
  }

  async function expectOffline(rules: readonly RuleView[], startsAfter: number, seed: number): Promise<void> {
    const told = standing(await signalsIn(database));
    for (const rule of rules)
      expect({ seed, rule, times: told.get(rule.id) ?? [] }).toEqual({
        seed,
        rule,
        times: offlineFirings({ ...rule, startsAfter }, market.list(SERIES)),
      });
  }

  test('signals of the real minutes are those of an independent computation, however often evaluation is cut off, doubled, or left without news', async () => {
    const seeds = fc.sample(fc.integer(), engine === 'embedded' ? 1 : 3);
    for (const seed of seeds) {
      await database.sql.query('DELETE FROM users');
      await database.sql.query('DELETE FROM rule_progress');
      market = new RuleMarket();
      market.seed(minutes.slice(0, BEGIN));
      const rules = await make(await database.user(), MANY_RULES);
      const random = generator(seed);
      market.loses = () => random() < 0.02;
      const flaky = flakySql(database.sql, () => random());
      const first = await start({}, flaky);
      await start({}, flaky);
      for (const [i, minute] of minutes.slice(BEGIN, BEGIN + LIVE).entries()) {
        market.close(minute);
        if (i % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (i === 100) await stop(first);
        if (random() < 0.02) await stop(await start({}, flaky));
        if (i === 200) await start({}, flaky);
      }
      flaky.calm();
      await judged();
      await expectOffline(rules, minutes[BEGIN - 1]?.openTime ?? 0, seed);
      expect((await signalsIn(database)).length).toBeGreaterThan(50);
      await Promise.all(running.map((runner) => runner.stop()));
      running = [];
    }
  });

  const price = (minute: number, close: number, more: { revision?: number; seq?: number } = {}): Candle =>
    candle('X', '1m', {
      openTime: minute * MINUTE_MS,
      open: `${close}`,
      high: `${close}`,
      low: `${close}`,
      close: `${close}`,
      volume: '1',
      ...more,
    });
  const X = { symbol: 'X', interval: '1m' } as const;
  const above100 = { when: { type: 'price', op: 'above', level: '100' } } as const;

  test('a rule fires for candles that close after it was made, not for those before, whenever it becomes known', async () => {
    market.seed([price(1, 101), price(2, 101)]);
    const [rule] = await make(await database.user(), [above100], 'X');
    market.close(price(3, 101));
    const runner = await start();
    await ready(runner);
    market.close(price(4, 101));
    await judged(X);
    expect(standing(await signalsIn(database)).get(rule?.id ?? '')).toEqual([3, 4].map((m) => m * MINUTE_MS));
    const [later] = await make(await database.user(), [above100], 'X');
    market.close(price(5, 101));
    await vi.waitFor(
      async () => expect(standing(await signalsIn(database)).get(later?.id ?? '')).toEqual([5 * MINUTE_MS]),
      { timeout: 30_000 },
    );
  });

  test('what a signal tells', async () => {
    market.seed([price(1, 99)]);
    const userId = await database.user();
    const [rule] = await make(userId, [{ ...above100, ...{ name: 'hundred', data: { note: 'mine' } } }], 'X');
    await start();
    market.close(price(2, 101));
    await judged(X);
    expect(await signalsIn(database)).toMatchObject([
      {
        rule_id: rule?.id,
        user_id: userId,
        corrects: null,
        data: {
          rule: rule?.id,
          name: 'hundred',
          interval: '1m',
          openTime: 2 * MINUTE_MS,
          close: '101',
          candleRevision: 0,
          event: 'fired',
          revision: 0,
          values: {},
          data: { note: 'mine' },
        },
      },
    ]);
  });

  test('a change of a rule holds for the next candle; what is switched off or deleted does not fire', async () => {
    market.seed([price(1, 101)]);
    const service = serviceOn(database.sql, market);
    const userId = await database.user();
    const me = identityOf(userId);
    const [changed, off, gone] = await make(userId, [above100, above100, above100], 'X');
    const runner = await start({ pollMs: 60_000 });
    await ready(runner);
    market.close(price(2, 101));
    await judged(X);
    await service.update(me, changed?.id ?? '', { when: { type: 'price', op: 'above', level: '200' } });
    await service.update(me, off?.id ?? '', { enabled: false });
    await service.remove(me, gone?.id ?? '');
    // The runner does not know yet.
    market.close(price(3, 101));
    await vi.waitFor(() => expect(runner.stats.candles).toBe(2));
    runner.refresh();
    market.close(price(4, 201));
    runner.refresh();
    await stop(runner);
    await ready(await start());
    const signals = await signalsIn(database);
    // Not even as a firing that was withdrawn.
    expect(signals.filter(({ data }) => data.openTime === 3 * MINUTE_MS)).toEqual([]);
    const told = standing(signals);
    expect([changed, off, gone].map((rule) => told.get(rule?.id ?? '')?.map((t) => t / MINUTE_MS))).toEqual([
      [2, 4],
      [2],
      [2],
    ]);
  });

  test.each<[string, (rule: RuleView, owner: string) => Promise<unknown>]>([
    ['its owner', (rule, owner) => serviceOn(database.sql, market).remove(identityOf(owner), rule.id)],
    ['hand', (rule) => database.sql.query('DELETE FROM rules WHERE id = $1', [rule.id])],
    ['the deletion of its owner', (_, owner) => database.sql.query('DELETE FROM users WHERE id = $1', [owner])],
  ])(
    'a rule deleted by %s, of which nobody told, does not keep the others of its series from going on',
    async (_, remove) => {
      market.seed([price(1, 99)]);
      const [one = '', other = ''] = await database.users(2);
      const [gone] = await make(one, [above100], 'X');
      const [kept] = await make(other, [above100], 'X');
      /** Looks at the versions since any other statement. */
      let quiet = 0;
      const runner = await start(
        {},
        {
          query: (text, values) => {
            quiet = text.includes('FROM rule_symbols') ? quiet + 1 : 0;
            return database.sql.query(text, values);
          },
        },
      );
      await ready(runner);
      if (gone !== undefined) await remove(gone, one);
      market.close(price(2, 101));
      await judged(X);
      await vi.waitFor(() => expect(quiet).toBeGreaterThan(5), { timeout: 30_000, interval: 5 });
      expect(runner.size).toEqual({ series: 1, ready: 1 });
      market.close(price(3, 101));
      await judged(X);
      const told = standing(await signalsIn(database));
      expect([...told]).toEqual([[kept?.id, [2, 3].map((m) => m * MINUTE_MS)]]);
    },
  );

  test('a rule that its owner deletes where it is evaluated is gone at once, and its series with it', async () => {
    market.seed([price(1, 99)]);
    const userId = await database.user();
    const [rule] = await make(userId, [above100], 'X');
    const runner = await start({ pollMs: 3_600_000 });
    await ready(runner);
    const service = serviceOn(database.sql, market, (symbol) => runner.reread(symbol));
    await service.remove(identityOf(userId), rule?.id ?? '');
    await vi.waitFor(() => expect(runner.size).toEqual({ series: 0, ready: 0 }), { timeout: 30_000, interval: 2 });
  });

  test('a correction is told as one, and the signal it corrects is named', async () => {
    market.seed([price(1, 99)]);
    await make(await database.user(), [{ when: { type: 'price', op: 'crosses_above', level: '100' } }], 'X');
    const runner = await start();
    market.close(price(2, 101));
    await judged(X);
    const seq = price(2, 1).seq;
    market.close(price(2, 99, { revision: 1, seq: seq + 1 }));
    await judged(X);
    market.close(price(2, 102, { revision: 2, seq: seq + 2 }));
    await judged(X);
    const signals = await signalsIn(database);
    expect(signals.map(({ data }) => [data.event, data.revision, data.close])).toEqual([
      ['fired', 0, '101'],
      ['withdrawn', 1, '99'],
      ['fired_late', 2, '102'],
    ]);
    expect(signals.map(({ corrects }) => corrects)).toEqual([null, signals[0]?.id, signals[1]?.id]);
    expect(runner.stats).toMatchObject({ fired: 2, withdrawn: 1 });
  });

  test('more firings at one close than a statement takes, cut off in the middle: each once', async () => {
    market.seed([price(1, 99)]);
    const users = await database.users(3);
    await make(users[0] ?? '', [above100], 'X');
    // Copies of it, without going through the service 1,200 times.
    await database.sql.query(
      `INSERT INTO rules (id, user_id, symbol, "interval", definition, starts_after)
       SELECT gen_random_uuid(), ($1::uuid[])[1 + n % 3], symbol, "interval", definition, starts_after
       FROM rules, generate_series(1, 1199) n`,
      [users],
    );
    let statements = 0;
    const cut: Sql = {
      query: async (text, values) => {
        if (!text.includes('rule_firings (')) return database.sql.query(text, values);
        statements += 1;
        if (statements === 2) throw new Error('cut off before');
        const answer = await database.sql.query(text, values);
        if (statements === 4) throw new Error('cut off after');
        return answer as never;
      },
    };
    await start({}, cut);
    market.close(price(2, 101));
    await judged(X);
    const signals = await signalsIn(database);
    expect(new Set(signals.map(({ rule_id }) => rule_id)).size).toBe(1200);
    expect(signals).toHaveLength(1200);
    // 500, none; 500, and the last 200, whose answer was lost.
    expect(statements).toBe(4);
  });

  test('over the limit of a day a firing is noted and not told, then or later', async () => {
    market.seed([price(1, 99)]);
    await make(await database.user(), [above100], 'X');
    const runner = await start({ entitlements: async (users) => entitled(users, { signalsPerDay: 1 }) });
    for (const minute of [2, 3, 4]) market.close(price(minute, 101));
    await judged(X);
    await stop(runner);
    await start();
    market.close(price(5, 99));
    await judged(X);
    expect((await signalsIn(database)).map(({ data }) => data.openTime / MINUTE_MS)).toEqual([2]);
    const { rows } = await database.sql.query<{ n: number }>('SELECT count(*) AS n FROM rule_firings');
    expect(rows[0]?.n).toBe(3);
    expect(runner.withheld).toMatchObject({ daily_limit: 2, rule_limit: 0 });
  });

  test('what a smaller plan does not have any more is noted and not told, then or later; the oldest rules go on', async () => {
    market.seed([price(1, 99)]);
    const [ann = '', ben = ''] = await database.users(2);
    const [off, first, second, third] = await make(ann, [above100, above100, above100, above100], 'X');
    const [bens] = await make(ben, [above100], 'X');
    await serviceOn(database.sql, market).update(identityOf(ann), off?.id ?? '', { enabled: false });
    let plan: Parameters<typeof entitled>[1] = { rules: 2 };
    const runner = await start({
      entitlements: async (users) =>
        new Map([
          ...entitled(users, { rules: 1 }),
          ...entitled(
            users.filter((user) => user === ann),
            plan,
          ),
        ]),
    });
    await ready(runner);
    const minutes = async (): Promise<unknown[]> => {
      const told = standing(await signalsIn(database));
      return [first, second, third, bens].map((rule) => (told.get(rule?.id ?? '') ?? []).map((at) => at / MINUTE_MS));
    };
    market.close(price(2, 101));
    await judged(X);
    expect(await minutes()).toEqual([[2], [2], [], [2]]);
    plan = { intervals: ['1h'] };
    market.close(price(3, 101));
    await judged(X);
    plan = { signalSymbols: ['Y'] };
    market.close(price(4, 101));
    await judged(X);
    plan = { rules: 0 };
    market.close(price(5, 101));
    await judged(X);
    expect(runner.withheld).toEqual({
      rule_limit: 4,
      interval_not_in_plan: 3,
      symbol_not_in_plan: 3,
      daily_limit: 0,
    });
    // As it was before; also for whoever reads everything anew.
    plan = {};
    market.close(price(6, 101));
    await judged(X);
    await stop(runner);
    await ready(await start());
    market.close(price(7, 101));
    await judged(X);
    expect(await minutes()).toEqual([
      [2, 6, 7],
      [2, 6, 7],
      [6, 7],
      [2, 3, 4, 5, 6, 7],
    ]);
  });

  test('a lost last event is noticed', async () => {
    market.seed([price(1, 99)]);
    await make(await database.user(), [above100], 'X');
    const runner = await start();
    await ready(runner);
    market.loses = () => true;
    market.close(price(2, 101));
    await judged(X);
    expect(await signalsIn(database)).toHaveLength(1);
  });

  test('whoever is behind writes nothing: neither firings nor progress', async () => {
    market.seed([price(1, 99)]);
    const [rule] = await make(await database.user(), [above100], 'X');
    const firings = new Firings(database.sql);
    const from = await firings.begin(X, 0);
    const to = { openTime: 2 * MINUTE_MS, seq: 7 };
    const further = { openTime: 3 * MINUTE_MS, seq: 8 };
    expect(await firings.advance([{ series: X, from, to: further, firings: [] }])).toEqual([X]);
    expect(await firings.advance([{ series: X, from, to, firings: [] }])).toEqual([]);
    const firing: Firing = {
      ruleId: rule?.id ?? '',
      version: 1,
      openTime: to.openTime,
      revision: 0,
      fires: true,
      signalId: newSignalId(),
      late: false,
      corrects: null,
      candle: { close: '101', revision: 0 },
      values: {},
    };
    const stored = await new RuleStore(database.sql).enabled('X');
    const signals = stored.map((one) => toSignal(one, firing, 10));
    const store = new SignalStore(database.sql, systemClock);
    const publish = (before: Progress) =>
      store.insertGuarded(signals, guardOf([{ series: X, from: before, to, firings: [firing] }]));
    expect((await publish(from)).refused).toMatchObject([{ id: firing.signalId, reason: 'guarded' }]);
    expect(await firings.begin(X, 0)).toEqual(further);
    expect((await publish(further)).stored).toHaveLength(1);
  });

  test('old verdicts are forgotten, but not the last firing that stands', async () => {
    market.seed([price(1, 99)]);
    const [rule] = await make(await database.user(), [above100], 'X');
    const firings = new Firings(database.sql);
    await database.sql.query(
      `INSERT INTO rule_firings SELECT $1::uuid, t * 60000, 0, true, gen_random_uuid() FROM generate_series(10, 20) t`,
      [rule?.id],
    );
    await database.sql.query('UPDATE rule_progress SET open_time = 1000 * 60000');
    expect(await firings.prune(900 * MINUTE_MS)).toBe(10);
    expect([...(await firings.verdicts(X, 900 * MINUTE_MS)).values()].flat()).toMatchObject([
      { openTime: 20 * MINUTE_MS, fires: true },
    ]);
  });

  test('two requests at once do not both find the last free place of a plan', async () => {
    market.seed([price(1, 99)]);
    const me = identityOf(await database.user(), { rules: 3 });
    const body = { symbol: 'X', interval: '1m', ...above100 };
    const services = Array.from({ length: 8 }, () => serviceOn(database.pool(1), market));
    const results = await Promise.allSettled(services.map((service) => service.create(me, body)));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    expect(results.find((result) => result.status === 'rejected')?.reason).toMatchObject({
      code: 'rule_limit',
      details: { limit: 'rules', plan: 'pro', allowed: 3 },
    });
  });
});

/** Statements that fail now and then, half of them after they were done. */
function flakySql(sql: Sql, random: () => number): Sql & { calm(): void } {
  let isCalm = false;
  return {
    calm() {
      isCalm = true;
    },
    async query<T>(text: string, values?: readonly unknown[]) {
      const fate = isCalm ? 1 : random();
      if (fate < 0.02) throw new Error('the connection was lost before');
      const answer = await sql.query<T>(text, values);
      if (fate < 0.04) throw new Error('the connection was lost after');
      return answer;
    },
  };
}

/** A small generator (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

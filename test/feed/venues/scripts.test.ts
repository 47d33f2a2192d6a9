import { afterAll, beforeAll, expect, test } from 'vitest';
import { play } from './drama.js';
import { VenuePort } from './mock-venue.js';

/** Another stretch of seeds can be played with VENUE_SEEDS=from-to. */
const [FIRST = 1, LAST = 300] = (process.env.VENUE_SEEDS ?? '1-300').split('-').map(Number);
const AT_ONCE = 16;

let port: VenuePort;

beforeAll(async () => {
  port = await VenuePort.open();
});

afterAll(() => port.close());

test(`${LAST - FIRST + 1} scripted venues: no candle is wrong unless a gap was announced before it`, async () => {
  const seeds = Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);
  const faults: string[] = [];
  const sum = {
    minutes: 0,
    gaps: 0,
    backfilled: 0,
    sent: {} as Record<string, number>,
    states: {} as Record<string, number>,
  };
  const work = async () => {
    for (let seed = seeds.shift(); seed !== undefined; seed = seeds.shift()) {
      const played = await play(port, seed);
      faults.push(...played.faults.map((fault) => `seed ${seed} (${played.venue}): ${fault}`));
      sum.minutes += played.minutes;
      sum.gaps += played.outcome.gaps.length;
      sum.backfilled += played.backfilled;
      for (const { state } of played.outcome.statuses) sum.states[state] = (sum.states[state] ?? 0) + 1;
      for (const [kind, count] of Object.entries(played.sent)) sum.sent[kind] = (sum.sent[kind] ?? 0) + count;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  expect(faults).toEqual([]);
  if (LAST - FIRST < 99) return;
  // The scripts do what they are there for.
  expect(sum.minutes).toBeGreaterThan(1000);
  expect(sum.gaps).toBeGreaterThan(10);
  expect(sum.backfilled).toBeGreaterThan(5000);
  for (const state of ['live', 'stale', 'gap', 'backfilling']) expect(sum.states[state], state).toBeGreaterThan(50);
  for (const [kind, count] of Object.entries(sum.sent)) expect(count, kind).toBeGreaterThan(50);
});

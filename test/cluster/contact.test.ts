import { beforeEach, describe, expect, it } from 'vitest';
import { Contact } from '../../src/cluster/contact.js';
import { silentLog } from '../../src/kit/log.js';
import { ManualClock } from '../feed/manual-clock.js';

const LEASE_MS = 2500;
const T0 = 1_700_000_000_000;

let clock: ManualClock;
let monotonicMs: number;
let contact: Contact;
beforeEach(() => {
  clock = new ManualClock(T0);
  monotonicMs = 0;
  contact = new Contact({ clock, log: silentLog, monotonicMs: () => monotonicMs, leaseMs: LEASE_MS });
  contact.ran();
});

async function pass(ms: number): Promise<void> {
  monotonicMs += ms;
  await clock.run(clock.now() + ms);
}

describe('a standstill', () => {
  it('is noticed before any timer ran, and ends with an answer to what was asked since', async () => {
    await pass(LEASE_MS);
    expect(contact.confirmed).toBe(true);
    await pass(1);
    expect(contact.confirmed).toBe(false);
    contact.ran();
    expect(contact.confirmed).toBe(false);
    expect([contact.answered(contact.now(), clock.now()), contact.confirmed]).toEqual([true, true]);
  });

  it('shorter than a lease is none, however often', async () => {
    for (let i = 0; i < 5; i++) {
      await pass(LEASE_MS - 1);
      contact.ran();
      expect(contact.confirmed).toBe(true);
    }
  });

  it('is not ended by the answer to what was asked before it', async () => {
    const before = contact.now();
    await pass(LEASE_MS + 1);
    contact.ran();
    expect([contact.answered(before, clock.now()), contact.confirmed]).toEqual([false, false]);
  });

  it('of the whole machine shows in its wall clock only', async () => {
    const before = contact.now();
    await clock.run(clock.now() + 60_000);
    expect(contact.confirmed).toBe(false);
    contact.ran();
    expect([contact.answered(before, clock.now()), contact.confirmed]).toEqual([false, false]);
  });
});

describe('the clock', () => {
  it('is compared with Redis’ at the middle of the round trip', async () => {
    const sent = contact.now();
    await pass(1000);
    contact.answered(sent, T0 + 500);
    expect([contact.skewMs, contact.skewed]).toEqual([0, false]);
  });

  it.each([
    [2000, false],
    [2001, true],
    [-2001, true],
  ])('that differs by %d ms is off: %s', (offMs, off) => {
    contact.answered(contact.now(), clock.now() - offMs);
    expect([contact.skewMs, contact.skewed, contact.notReady().length]).toEqual([offMs, off, off ? 1 : 0]);
  });

  it('is not blamed for what a slow round trip may explain', async () => {
    const sent = contact.now();
    await pass(1000);
    contact.answered(sent, T0 - 1900);
    expect([contact.skewMs, contact.skewed]).toEqual([2400, false]);
  });
});

describe('Redis', () => {
  it('that fails is away until it answers', () => {
    contact.failed(new Error('Connection is closed.'));
    expect([contact.up, contact.notReady(), contact.confirmed]).toEqual([
      false,
      ['Redis does not answer: Connection is closed.'],
      true,
    ]);
    contact.answered(contact.now(), clock.now());
    expect([contact.up, contact.notReady()]).toEqual([true, []]);
  });
});

import type { FeedContext } from '../../../src/feed/feed.js';
import type { Venue } from '../../../src/feed/venues/venue.js';
import { VenueFeed } from '../../../src/feed/venues/venue-feed.js';
import { LogLines, Recorder } from '../recorder.js';
import type { Dialect } from './dialects.js';
import { SCRIPT_TIMINGS } from './drama.js';
import { MockVenue, type VenuePort } from './mock-venue.js';
import { Random, trueTrades } from './truth.js';
import { VirtualClock } from './virtual-clock.js';

const MINUTE = 60_000;
const START = Date.UTC(2024, 2, 5, 9, 0, 0);

/** Turns of the loop after which a connection that is not live waits for the clock, before it asks again. */
const WAITS = 30;

export interface Play {
  readonly venue: Venue;
  readonly dialect: Dialect;
  /** What is asked for, and what of it the venue has. */
  readonly natives: readonly string[];
  readonly had: readonly string[];
  readonly forMs: number;
  /** The venue cuts connections after this. */
  readonly lifeMs?: number;
  /** Our clock minus the venue's. */
  readonly skewMs?: number;
}

/** A venue without faults, but for those of `dialect`, and the connector as it is in production; on a clock of its own. */
export async function stage(port: VenuePort, { venue, dialect, natives, had, forMs, lifeMs, skewMs = 0 }: Play) {
  const random = new Random(5);
  const trades = had
    .flatMap((native) => {
      const plan = { native, from: START - 3 * MINUTE, to: START + forMs, firstId: 5000, skips: false };
      return trueTrades(plan, random);
    })
    .sort((a, b) => a.time - b.time || a.id - b.id);
  const rates = { drop: 0, double: 0, delay: 0, poison: 0, wrong: 0 };
  const script = { seed: 5, isHard: false, windows: [], rates, faultsUntil: START, storedAgoMs: null };
  let feed: VenueFeed | null = null;
  let mostOpen = 0;
  let waits = 0;
  let heard = 0;
  const clock: VirtualClock = new VirtualClock(START + skewMs, () => {
    if (feed === null) return true;
    const { frames, open, connecting, requests } = feed.traffic;
    mostOpen = Math.max(mostOpen, open);
    waits = connecting > 0 && frames === heard ? waits + 1 : 0;
    heard = frames;
    const isOpening = connecting > 0 && waits < WAITS;
    return frames === mock.framesSent && open === mock.open && requests === 0 && !isOpening;
  });
  const mock: MockVenue = new MockVenue({
    port,
    dialect: knowing(dialect, had),
    clock,
    script: { ...script, lifeMs: lifeMs ?? null, skewMs },
    trades,
  });
  const urls = port.add('stage', mock);
  const log = new LogLines();
  const sink = new Recorder();
  const resume = () => ({ lastOpenTime: null, lastClosedEnd: null });
  const context: FeedContext = { clock, log, sink, graceMs: 2000, dataDir: '', resume };
  const limits = { ...venue.limits, connectionLifeMs: lifeMs ?? null };
  feed = new VenueFeed({ venue: { ...venue, limits }, natives, ...urls, suffix: '', backfillHours: 6 }, context, {
    timings: SCRIPT_TIMINGS,
    random: random.next,
  });
  let readyAt = Number.POSITIVE_INFINITY;
  void feed
    .catchUp(() => {})
    .then(() => {
      readyAt = clock.now();
    });
  await clock.run(START + skewMs + forMs);
  const states = new Map(feed.symbols.map((symbol) => [symbol, sink.stateOf(symbol)]));
  const tracks = natives.map((native) => feed?.track(native));
  const told = { states, tracks, mostOpen, skewMs: feed.clockSkewMs, readyAfterMs: readyAt - START - skewMs };
  await feed.stop();
  port.remove('stage');
  return { ...told, log, sink, gaps: sink.gaps };
}

/** Its REST has no other symbol. */
function knowing(dialect: Dialect, had: readonly string[]): Dialect {
  return {
    ...dialect,
    rest: (url, known) => {
      let isKnown = true;
      const body = dialect.rest(url, (native) => {
        isKnown = had.includes(native);
        return known(native);
      });
      return isKnown ? body : null;
    },
  };
}

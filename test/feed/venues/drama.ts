import { CandleEngine } from '../../../src/candles/engine.js';
import type { FeedContext, TradeSink } from '../../../src/feed/feed.js';
import { binance } from '../../../src/feed/venues/binance.js';
import { coinbase } from '../../../src/feed/venues/coinbase.js';
import { kraken } from '../../../src/feed/venues/kraken.js';
import { TIMINGS, type Timings } from '../../../src/feed/venues/timings.js';
import type { Venue } from '../../../src/feed/venues/venue.js';
import { VenueFeed } from '../../../src/feed/venues/venue-feed.js';
import type { Clock } from '../../../src/kit/clock.js';
import type { Candle } from '../../../src/market/candle.js';
import type { SymbolStatus } from '../../../src/market/event.js';
import { essence, type ReferenceCandle, referenceMinutes } from '../../candles/reference.js';
import { LogLines } from '../recorder.js';
import { binanceDialect, coinbaseDialect, type Dialect, krakenDialect } from './dialects.js';
import { MockVenue, type VenuePort } from './mock-venue.js';
import { makeScript, type Script } from './script.js';
import { asTrade, Random, type TrueTrade, trueTrades } from './truth.js';
import { VirtualClock } from './virtual-clock.js';

const MINUTE = 60_000;
const GRACE_MS = 2000;
const EPOCH_MS = Date.UTC(2024, 2, 5, 9, 0, 0);
const BEFORE_MS = 7 * MINUTE;
const FAULTY_MS = 75_000;
const HEALTHY_MS = 75_000;

/** The times of production where a script can wait for them, shorter ones where it cannot. */
export const SCRIPT_TIMINGS: Timings = {
  ...TIMINGS,
  patienceMs: 20_000,
  tickMs: 500,
  handshakeMs: 3000,
  maxBackoffMs: 4000,
  requestMs: 3000,
  limitedMs: 3000,
  replaceEveryMs: 10_000,
  beforeCutMs: 10_000,
  settledMs: 20_000,
};

const VENUES: readonly (readonly [Venue, () => Dialect, readonly string[]])[] = [
  [binance('trade'), () => binanceDialect('trade'), ['BTCUSDT', 'ETHUSDT']],
  [coinbase, coinbaseDialect, ['BTC-USD', 'ETH-USD']],
  [kraken, krakenDialect, ['BTC/USD', 'ETH/USD']],
  [binance('aggTrade'), () => binanceDialect('aggTrade'), ['BTCUSDT', 'ETHUSDT']],
];

interface Told {
  readonly candle: Candle;
  /** Gaps that were announced before it. */
  readonly gaps: number;
}

/** What the engine made of what the feed delivered. */
export class Outcome implements TradeSink {
  constructor(private readonly clock: Clock) {}

  readonly engine = new CandleEngine(GRACE_MS, 1);
  readonly closed: Told[] = [];
  readonly gaps: { symbol: string; from: number; to: number; reason: string }[] = [];
  readonly statuses: (SymbolStatus & { readonly at: number })[] = [];

  trade(trade: Parameters<TradeSink['trade']>[0]) {
    const outcome = this.engine.apply(trade);
    this.#take();
    return outcome === 'too_early' ? 'too_late' : outcome;
  }

  advance(symbol: string, timeMs: number): void {
    this.engine.advance(symbol, timeMs);
    this.#take();
  }

  gap(symbol: string, from: number, to: number, reason: string): void {
    this.gaps.push({ symbol, from, to, reason });
    this.engine.gap(symbol, from, to, reason);
    this.#take();
  }

  async ready(): Promise<void> {}

  status(status: SymbolStatus): void {
    this.statuses.push({ ...status, at: this.clock.now() });
  }

  #take(): void {
    for (const event of this.engine.takeEvents()) {
      if (event.kind === 'closed' && event.interval === '1m')
        this.closed.push({ candle: event.candle, gaps: this.gaps.length });
    }
  }
}

export interface Played {
  readonly script: Script;
  readonly venue: string;
  readonly faults: readonly string[];
  readonly outcome: Outcome;
  readonly sent: MockVenue['sent'];
  readonly minutes: number;
  readonly backfilled: number;
  readonly log: LogLines;
}

/** Plays one script with the connector as it is in production, over real sockets, on a clock of its own. */
export async function play(port: VenuePort, seed: number): Promise<Played> {
  const random = new Random(seed * 7919);
  const [venue, makeDialect, natives] = VENUES[seed % VENUES.length] ?? [coinbase, coinbaseDialect, ['BTC-USD']];
  const start = EPOCH_MS + random.int(0, 119_999);
  const end = start + FAULTY_MS + HEALTHY_MS;
  const script = makeScript(seed, start, start + FAULTY_MS);
  const trades = natives
    .flatMap((native, i) =>
      trueTrades(
        { native, from: start - BEFORE_MS, to: end, firstId: 5000 + i * 700, skips: random.chance(0.15) },
        random,
      ),
    )
    .sort((a, b) => a.time - b.time || a.id - b.id);
  let feed: VenueFeed | null = null;
  const isQuiet = (): boolean => {
    const traffic = feed?.traffic;
    return (
      traffic === undefined ||
      (traffic.frames === mock.framesSent &&
        traffic.open === mock.open &&
        traffic.connecting === mock.hanging &&
        traffic.requests === mock.held)
    );
  };
  const clock = new VirtualClock(start + script.skewMs, isQuiet);
  const mock = new MockVenue({ port, dialect: makeDialect(), clock, script, trades });
  const urls = port.add(String(seed), mock);
  const outcome = new Outcome(clock);
  const storedEnd = script.storedAgoMs === null ? null : Math.floor((start - script.storedAgoMs) / MINUTE) * MINUTE;
  const stored = storedEnd === null ? null : { lastOpenTime: storedEnd - MINUTE, lastClosedEnd: storedEnd };
  const log = new LogLines();
  const context: FeedContext = {
    clock,
    log,
    sink: outcome,
    graceMs: GRACE_MS,
    dataDir: '',
    resume: () => stored ?? { lastOpenTime: null, lastClosedEnd: null },
  };
  const limits = { ...venue.limits, connectionLifeMs: script.lifeMs };
  const source = { venue: { ...venue, limits }, natives, ...urls, suffix: '', backfillHours: 6 };
  feed = new VenueFeed(source, context, { timings: SCRIPT_TIMINGS, random: random.next });
  void feed.catchUp(() => {});
  await clock.run(end + script.skewMs);
  const faults = judge(outcome, feed, script, trades, storedEnd ?? Math.floor(start / MINUTE) * MINUTE, end);
  if (mock.impatient > 0) faults.push(`${mock.impatient} requests came although the venue had asked to wait`);
  const backfilled = natives.reduce((sum, native) => sum + (feed?.track(native)?.backfilled ?? 0), 0);
  await feed.stop();
  port.remove(String(seed));
  return {
    script,
    venue: venue.name,
    faults,
    outcome,
    sent: mock.sent,
    minutes: outcome.closed.length,
    backfilled,
    log,
  };

  function judge(
    it: Outcome,
    of: VenueFeed,
    by: Script,
    all: readonly TrueTrade[],
    from: number,
    to: number,
  ): string[] {
    return of.symbols.flatMap((symbol, i) => {
      const told = it.statuses.filter((status) => status.symbol === symbol);
      const own = all.filter(({ native, time }) => native === natives[i] && time >= from);
      const found = verdict(it, symbol, own, to, storedEnd === null);
      if (!by.isHard && it.gaps.some((gap) => gap.symbol === symbol))
        found.push(`${symbol}: a gap although REST answered: ${JSON.stringify(it.gaps)}`);
      for (const [n, { state, since, at }] of told.entries()) {
        const before = told[n - 1];
        // The moment of the change, which a refresh does not move.
        const right = before?.state === state ? before.since : at;
        if (since !== right) found.push(`${symbol}: ${state} since ${since}, not ${right}, told at ${at}`);
      }
      const { state = '', since = 0 } = told.at(-1) ?? {};
      // Where ids jump at the venue itself, REST is asked about it.
      const isAsking = state === 'backfilling' && since > to + by.skewMs - 10_000;
      if (state !== 'live' && !isAsking) found.push(`${symbol}: ${state} after everything was well again`);
      return found;
    });
  }
}

/** Every difference between the candles and the true trades that no gap explains. */
function verdict(outcome: Outcome, symbol: string, own: readonly TrueTrade[], end: number, isFirst: boolean): string[] {
  const faults: string[] = [];
  const gaps = outcome.gaps.map((gap, index) => ({ ...gap, index })).filter((gap) => gap.symbol === symbol);
  const isExplained = (open: number, told: number) =>
    gaps.some(({ from, to, index }) => index < told && from < open + MINUTE && to > open);
  const truth = new Map<number, ReferenceCandle>();
  for (const candle of referenceMinutes(own.map((trade) => asTrade(symbol, trade)))) truth.set(candle.openTime, candle);
  const latest = new Map<number, Told>();
  for (const told of outcome.closed.filter(({ candle }) => candle.symbol === symbol)) {
    const { candle } = told;
    latest.set(candle.openTime, told);
    const right = truth.get(candle.openTime);
    // After its last trade the reference ends, and minutes are flat.
    if (right === undefined ? candle.trades === 0 : same(essence(candle), right)) continue;
    if (!isExplained(candle.openTime, told.gaps))
      faults.push(
        `${symbol} ${new Date(candle.openTime).toISOString()} r${candle.revision}: ${JSON.stringify(essence(candle))} but is ${JSON.stringify(right)}`,
      );
  }
  // Without stored candles it begins with the minute in which the venue first answered.
  const began = Math.min(...latest.keys());
  for (const open of truth.keys()) {
    if (isFirst && open < began && open < end - HEALTHY_MS) continue;
    if (
      open + MINUTE + GRACE_MS + 5000 > end ||
      latest.has(open) ||
      isExplained(open, gaps.length + outcome.gaps.length)
    )
      continue;
    faults.push(`${symbol} ${new Date(open).toISOString()} is missing`);
  }
  return faults;
}

function same(a: ReferenceCandle, b: ReferenceCandle): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

import { HOUR_MS } from '../../market/interval.js';
import type { Feed, FeedContext, PassedOver } from '../feed.js';
import { Quarantine } from '../quarantine.js';
import { Lane } from './lane.js';
import { Line } from './line.js';
import { Rest } from './rest.js';
import { TIMINGS, type Timings } from './timings.js';
import type { Venue, VenueMessage } from './venue.js';

/** A clock that is off by less is nobody's business. */
const SKEW_REPORTED_MS = 2000;

/** Which symbols of a venue, by its own names, and where it is. */
export interface VenueSource {
  readonly venue: Venue;
  readonly natives: readonly string[];
  /** WebSocket and REST; null = the venue's own. */
  readonly ws: string | null;
  readonly rest: string | null;
  /** Appended to each symbol, so that two venues can have the same one. */
  readonly suffix: string;
  /** An absence longer than this is announced as a gap instead of being fetched. */
  readonly backfillHours: number;
}

export interface VenueTuning {
  readonly timings: Timings;
  /** In [0, 1). */
  readonly random: () => number;
}

/** The trades of an exchange whose ids are continuous. */
export class VenueFeed implements Feed {
  readonly name: string;
  readonly source: string;
  readonly synthetic = false;
  readonly symbols: readonly string[];
  readonly quarantine: Quarantine;
  readonly #context: FeedContext;
  readonly #tuning: VenueTuning;
  readonly #rest: Rest;
  readonly #lines: readonly Line[];
  readonly #lanes = new Map<string, Lane>();
  #stopTicking: () => void = () => {};
  #reportedSkewMs = 0;
  #stopped = false;

  constructor(source: VenueSource, context: FeedContext, tuning: Partial<VenueTuning> = {}) {
    const { venue } = source;
    this.#context = context;
    this.#tuning = { timings: TIMINGS, random: Math.random, ...tuning };
    this.source = venue.name;
    this.name = `feed ${venue.name}`;
    this.quarantine = new Quarantine(context.log, venue.name);
    const { timings, random } = this.#tuning;
    const { clock, log } = context;
    const everyMs = venue.limits.requestEveryMs;
    this.#rest = new Rest({ base: source.rest ?? venue.urls.rest, everyMs, timings, clock, log });
    this.#lines = chunks(source.natives, venue.limits.symbolsPerConnection).map(
      (natives) =>
        new Line({
          venue,
          url: source.ws ?? venue.urls.ws,
          natives,
          timings,
          clock,
          log,
          random,
          message: (message) => this.#take(message),
          nonsense: (reason) => this.quarantine.add('bad_frame', reason, {}, clock.now()),
        }),
    );
    for (const line of this.#lines)
      for (const native of line.natives) this.#lanes.set(native, this.#lane(source, line, native));
    this.symbols = [...this.#lanes.values()].map(({ symbol }) => symbol);
  }

  #lane({ venue, suffix, backfillHours }: VenueSource, line: Line, native: string): Lane {
    return new Lane({
      venue,
      native,
      symbol: `${venue.toSymbol(native) ?? native}${suffix}`,
      rest: this.#rest,
      line,
      context: this.#context,
      quarantine: this.quarantine,
      ...this.#tuning,
      backfillMs: backfillHours * HOUR_MS,
    });
  }

  /** Our clock minus the venue's. */
  get clockSkewMs(): number {
    return this.#rest.skewMs;
  }

  get passedOver(): PassedOver {
    const sum = { duplicate: 0, not_wanted: 0 };
    for (const { track } of this.#lanes.values()) {
      sum.duplicate += track.duplicates;
      sum.not_wanted += track.notWanted;
    }
    return sum;
  }

  /** What a symbol has gone through. */
  track(native: string): Lane['track'] | undefined {
    return this.#lanes.get(native)?.track;
  }

  /** For whoever drives time: frames received, and whether something is under way outside. */
  get traffic() {
    return {
      frames: this.#lines.reduce((sum, { frames }) => sum + frames, 0),
      open: this.#lines.reduce((sum, { open }) => sum + open, 0),
      connecting: this.#lines.filter(({ isConnecting }) => isConnecting).length,
      requests: this.#rest.inFlight,
      working: [...this.#lanes.values()].filter(({ isWorking }) => isWorking).length,
    };
  }

  /** A venue that is away does not keep the server from starting: what is left of the history follows then. */
  async catchUp(progress: (done: number) => void): Promise<void> {
    const { clock } = this.#context;
    const { timings } = this.#tuning;
    for (const line of this.#lines) line.start();
    this.#stopTicking = clock.every(timings.tickMs, () => this.#tick());
    this.#tick();
    const until = clock.now() + timings.catchUpMs;
    while (!this.#stopped && clock.now() < until) {
      const whole = [...this.#lanes.values()].filter(({ isWhole }) => isWhole).length;
      progress(whole / Math.max(1, this.#lanes.size));
      if (whole === this.#lanes.size) return;
      await new Promise<void>((resolve) => clock.after(timings.tickMs, resolve));
    }
  }

  async start(): Promise<void> {}

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stopTicking();
    for (const lane of this.#lanes.values()) lane.stop();
    for (const line of this.#lines) line.stop();
    this.#rest.stop();
    this.quarantine.summarise();
  }

  #tick(): void {
    for (const lane of this.#lanes.values()) lane.tick();
    this.#reportSkew();
  }

  #reportSkew(): void {
    const skewMs = this.#rest.skewMs;
    if (Math.abs(skewMs - this.#reportedSkewMs) < SKEW_REPORTED_MS) return;
    this.#reportedSkewMs = skewMs;
    this.#context.log.warn(
      { venue: this.source, skewMs },
      "our clock differs from the venue's: is this machine's time right?",
    );
  }

  #take(message: VenueMessage): void {
    if (this.#stopped) return;
    if (message.kind === 'trade') this.#laneOf(message.native)?.offer(message.trade);
    else if (message.kind === 'beat') this.#laneOf(message.native)?.beat(message.beat);
    else if (message.kind === 'refused') this.#refused(message.native, message.reason);
  }

  #refused(native: string | null, reason: string): void {
    const lane = native === null ? undefined : this.#lanes.get(native);
    if (lane !== undefined) lane.refuse(reason);
    else this.#context.log.error({ venue: this.source, reason }, 'the venue refuses a subscription');
  }

  #laneOf(native: string): Lane | undefined {
    const lane = this.#lanes.get(native);
    if (lane === undefined)
      this.quarantine.add(
        'bad_symbol',
        'a symbol that was not subscribed',
        { symbol: native.slice(0, 50) },
        this.#context.clock.now(),
      );
    return lane;
  }
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let i = 0; i < items.length; i += size) result.push(items.slice(i, i + size));
  return result;
}

import { bucketBack, bucketStart, MINUTE_MS } from '../market/interval.js';
import { seqMinute } from '../market/position.js';
import type { WireCandle, WireGap } from '../wire/messages.js';
import type { Subscribed } from './hub.js';
import { candleItem, doneBefore, type Place, type Skip, Writer } from './items.js';
import type { Outlet } from './outlets.js';
import { pagesOf, type RestSource } from './rest.js';
import { HORIZON_CANDLES, Seen } from './seen.js';
import type { CandleItem, CandleOptions, Cursor, Position } from './types.js';

/** The most that one answer brings; what is older comes over REST. */
const SNAPSHOT_CANDLES = 1000;
const DEFAULT_BUFFER = 10_000;

/** What `subscribed` and `resync` have in common. */
export type Answer = Pick<Subscribed, 'candles' | 'gaps' | 'limited'> & { readonly recovered?: boolean };

/**
 * `joining`: to be answered from its own position. `joined`: live, or to be answered together with the others.
 * `paused`: its reader is far behind.
 */
export type ConsumerState = 'joining' | 'joined' | 'paused' | 'ended';

/** One reader of a channel: where it stands, what it has got, and what it is given. */
export class CandleConsumer {
  state: ConsumerState = 'joining';
  /** Everything up to here has been handed over or waits for the reader; null: it has not begun. */
  position: Position | null;
  readonly place: Place;
  readonly #outlet: Outlet<CandleItem>;
  readonly #rest: RestSource;
  readonly #pauses: (isPaused: boolean) => void;
  readonly #fails: (error: Error) => void;
  readonly #history: number;
  readonly #since: number | null;
  readonly #buffer: number;
  readonly #seen = new Seen();
  readonly #abort = new AbortController();
  #batch: Cursor['batch'];
  /** What is to be done when the old pages are there. */
  #held: (() => void)[] | null = null;
  #room: (() => void) | null = null;

  constructor(
    place: Place,
    options: CandleOptions,
    outlet: Outlet<CandleItem>,
    rest: RestSource,
    on: { pauses(isPaused: boolean): void; fails(error: Error): void },
  ) {
    const { history = 0, since = null, from = null, buffer = DEFAULT_BUFFER } = options;
    this.place = place;
    this.position = from?.position ?? null;
    this.#batch = from?.batch;
    this.#history = history;
    this.#since = this.#batch === undefined || this.position !== null ? since : sinceOf(place, this.#batch);
    this.#buffer = buffer;
    if (this.position !== null) this.#seen.startAfter(closedAt(place, this.position));
    if (this.#batch !== undefined) this.#seen.startAfter(this.#batch.after);
    this.#outlet = outlet;
    this.#rest = rest;
    this.#pauses = (isPaused) => on.pauses(isPaused);
    this.#fails = (error) => on.fails(error);
    outlet.onRoom = () => this.#hasRoom();
  }

  /** Candles to ask for where it begins: enough to know which corrections are of what came before. */
  get snapshot(): number {
    if (this.#since !== null) return SNAPSHOT_CANDLES;
    return Math.max(HORIZON_CANDLES, Math.min(SNAPSHOT_CANDLES, this.#history));
  }

  /** `asked`: the position the answer starts at; null: none. `at`: where it ends. */
  answer(answer: Answer, asked: Position | null, at: Position, requested: number): void {
    const { position } = this;
    this.position = at;
    this.state = 'joined';
    const batch = this.#batch;
    this.#batch = undefined;
    this.#do(() => {
      if (asked === null)
        this.#begin(answer, at, requested, new Writer(this.place, this.#seen, null, skipOf(batch), batch));
      else if (answer.recovered === true) this.#resume(answer, at, position ?? asked, asked, batch);
      else this.#reset(answer, at, requested);
    });
  }

  candle(wire: WireCandle, at: Position): void {
    this.position = at;
    if (this.#held !== null) this.#do(() => this.#candle(wire, at));
    else this.#candle(wire, at);
  }

  gap(gap: WireGap, at: Position): void {
    this.position = at;
    this.#do(() => {
      const writer = new Writer(this.place, this.#seen, null);
      writer.gap(gap);
      this.#give(writer.take(at));
    });
  }

  end(error: Error | null): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.#abort.abort();
    this.#outlet.onRoom = null;
    this.#outlet.end(error);
    this.#room?.();
  }

  #candle(wire: WireCandle, at: Position): void {
    this.#give([candleItem(this.place, wire, wire.x && this.#seen.add(wire.t, wire.r), { position: at })]);
  }

  #begin({ candles, gaps, limited }: Answer, at: Position, requested: number, writer: Writer): void {
    const closed = candles.filter(({ x }) => x);
    const isWanted = this.#since === null ? lastOf(closed, this.#history) : notBefore(this.#since);
    const wanted = candles.filter((candle) => !candle.x || isWanted(candle));
    for (const candle of closed) if (!isWanted(candle)) this.#seen.add(candle.t, candle.r);
    const first = wanted[0];
    const some = first?.x === true ? gaps.filter((gap) => gap.to > first.t) : [];
    const oldest = closed[0];
    const from =
      oldest === undefined
        ? null
        : (this.#since ?? bucketBack(this.place.interval, oldest.t, this.#history - closed.length));
    if (limited !== undefined) writer.limited(limited);
    const finish = (): void => {
      writer.write(wanted, some);
      this.#give(writer.take(at));
    };
    const hasOlder = limited === undefined && closed.length >= requested;
    if (hasOlder && oldest !== undefined && from !== null && from < oldest.t) {
      this.#held = [finish];
      void this.#page(writer, from, oldest.t);
    } else finish();
  }

  #resume({ candles, gaps }: Answer, at: Position, own: Position, asked: Position, batch: Cursor['batch']): void {
    const isAhead = own.seq > asked.seq;
    const skip: Skip = isAhead
      ? ({ t, r, x }) => x && this.#seen.has(t, r)
      : batch === undefined
        ? () => false
        : doneBefore(batch, false);
    const writer = new Writer(this.place, this.#seen, own, skip, batch);
    writer.write(candles, gaps);
    this.#give(writer.take(at));
  }

  #reset(answer: Answer, at: Position, requested: number): void {
    this.#seen.forget();
    const writer = new Writer(this.place, this.#seen, null);
    writer.reset();
    this.#begin(answer, at, requested, writer);
  }

  async #page(writer: Writer, from: number, to: number): Promise<void> {
    try {
      let end: number | null = null;
      for await (const { candles, limited } of pagesOf(this.#rest, this.place, from, to, this.#abort.signal)) {
        if (limited !== undefined) writer.limited(limited);
        end = writer.page(candles, end);
        this.#outlet.push(writer.take(null));
        while (this.#outlet.waiting > this.#buffer / 2 && this.state !== 'ended')
          await new Promise<void>((resolve) => {
            this.#room = resolve;
          });
      }
      if (end !== null && end < to) writer.gap({ from: end, to, reason: 'not recorded' });
      this.#goOn();
    } catch (error) {
      if (this.state !== 'ended') this.#fails(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #goOn(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const run of held) this.#do(run);
    this.#goOnReading();
  }

  #do(run: () => void): void {
    if (this.#held === null) run();
    else {
      this.#held.push(run);
      this.#watchRoom();
    }
  }

  #give(items: readonly CandleItem[]): void {
    this.#outlet.push(items);
    this.#watchRoom();
  }

  #watchRoom(): void {
    if (this.state !== 'joined' || this.#waiting <= this.#buffer) return;
    this.state = 'paused';
    this.#pauses(true);
  }

  get #waiting(): number {
    return this.#outlet.waiting + (this.#held?.length ?? 0);
  }

  #hasRoom(): void {
    const room = this.#room;
    if (room !== null && this.#outlet.waiting <= this.#buffer / 2) {
      this.#room = null;
      room();
    }
    this.#goOnReading();
  }

  #goOnReading(): void {
    if (this.state !== 'paused' || this.#waiting > this.#buffer / 2) return;
    this.state = 'joining';
    this.#pauses(false);
  }
}

function sinceOf({ interval }: Place, { start, after }: NonNullable<Cursor['batch']>): number {
  return Math.max(start, bucketBack(interval, after, HORIZON_CANDLES));
}

/** An instant before everything that was open at the position. */
function closedAt({ interval }: Place, { seq }: Position): number {
  return bucketStart(interval, seqMinute(seq) + MINUTE_MS) - 1;
}

function skipOf(batch: Cursor['batch']): Skip {
  return batch === undefined ? () => false : doneBefore(batch, true);
}

function lastOf(closed: readonly WireCandle[], count: number): Skip {
  const first = closed[Math.max(0, closed.length - count)];
  return ({ t }) => count > 0 && first !== undefined && t >= first.t;
}

function notBefore(time: number): Skip {
  return ({ t }) => t >= time;
}

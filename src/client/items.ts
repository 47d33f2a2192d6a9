import { bucketEnd } from '../market/interval.js';
import type { WireCandle, WireGap } from '../wire/messages.js';
import type { Seen } from './seen.js';
import type { Candle, CandleItem, Cursor, Interval, Position } from './types.js';

export interface Place {
  readonly symbol: string;
  readonly interval: Interval;
}

type Batch = NonNullable<Cursor['batch']>;

export function candleItem({ symbol, interval }: Place, w: WireCandle, correction: boolean, cursor: Cursor): Candle {
  const { t, o, h, l, c, v, n, x, r } = w;
  return { type: 'candle', symbol, interval, t, o, h, l, c, v, n, x, r, correction, cursor };
}

export function gapItem({ symbol, interval }: Place, { from, to, reason }: WireGap, cursor: Cursor): CandleItem {
  return { type: 'gap', symbol, interval, from, to, reason, cursor };
}

/** Whether a candle has been dealt with, so that it is left out. */
export type Skip = (candle: WireCandle) => boolean;

/**
 * What an earlier run, which stopped in the middle of an answer, has dealt with. The candles of that answer are all in the new one too;
 * a later revision is news. Gaps are told again.
 */
export function doneBefore({ start, after, revised }: Batch, isHistory: boolean): Skip {
  const revisions = new Map(revised);
  return ({ t, r, x }) => {
    if (!x || t > after) return false;
    return t < start ? isHistory : r === 0 || (revisions.get(t) ?? 0) >= r;
  };
}

/**
 * Makes items of an answer: candles ascending, each gap before the first candle after it. All but the last one of an answer have a
 * cursor that says how far into it they are; the revisions in it are put together when somebody asks.
 */
export class Writer {
  readonly #place: Place;
  readonly #seen: Seen;
  readonly #before: Position | null;
  readonly #skip: Skip;
  readonly #revised: (readonly [number, number])[];
  #start: number;
  #after: number;
  #items: CandleItem[] = [];

  /** `before`: where the answer starts; null: at the beginning of a history. `batch`: it goes on from there. */
  constructor(place: Place, seen: Seen, before: Position | null, skip: Skip = () => false, batch?: Batch) {
    this.#place = place;
    this.#seen = seen;
    this.#before = before;
    this.#skip = skip;
    this.#revised = [...(batch?.revised ?? [])];
    this.#start = batch?.start ?? Number.POSITIVE_INFINITY;
    this.#after = batch?.after ?? -1;
  }

  /** Hands over what was written since; `at`: where the consumer stands when it has dealt with all of it; null: more is to come. */
  take(at: Position | null): CandleItem[] {
    const items = this.#items;
    this.#items = [];
    const last = items.at(-1);
    if (at !== null && last !== undefined) items[items.length - 1] = { ...last, cursor: { position: at } };
    return items;
  }

  reset(): void {
    this.#push({ type: 'reset' });
  }

  limited({ plan, historyDays }: { readonly plan: string; readonly historyDays: number }): void {
    this.#push({ type: 'limited', plan, historyDays });
  }

  write(candles: readonly WireCandle[], gaps: readonly WireGap[]): void {
    const waiting = [...gaps].sort((a, b) => a.from - b.from);
    for (const candle of candles) {
      while (waiting[0] !== undefined && waiting[0].from <= candle.t) this.gap(waiting.shift() as WireGap);
      this.#candle(candle);
    }
    for (const gap of waiting) this.gap(gap);
  }

  /** A page of old candles after one that ended at `end`: what is missing between them is a gap. @returns the end of its last candle. */
  page(candles: readonly WireCandle[], end: number | null): number | null {
    for (const candle of candles) {
      if (end !== null && candle.t > end) this.gap({ from: end, to: candle.t, reason: 'not recorded' });
      this.#candle(candle);
      end = bucketEnd(this.#place.interval, candle.t);
    }
    return end;
  }

  gap({ from, to, reason }: WireGap): void {
    if (this.#seen.addGap(from, to)) this.#push({ type: 'gap', from, to, reason });
  }

  #candle(candle: WireCandle): void {
    const { t, o, h, l, c, v, n, x, r } = candle;
    const isDone = this.#skip(candle);
    const correction = x && this.#seen.add(t, r);
    if (isDone) return;
    if (x) {
      this.#start = Math.min(this.#start, t);
      this.#after = Math.max(this.#after, t);
      if (r > 0) this.#revised.push([t, r]);
    }
    this.#push({ type: 'candle', t, o, h, l, c, v, n, x, r, correction });
  }

  #push(item: OwnFields): void {
    const { symbol, interval } = this.#place;
    const position = this.#before;
    const [start, after, count, revised] = [this.#start, this.#after, this.#revised.length, this.#revised];
    const whole = {
      ...item,
      symbol,
      interval,
      get cursor(): Cursor {
        return after < 0 ? { position } : { position, batch: { start, after, revised: revised.slice(0, count) } };
      },
    };
    this.#items.push(whole as CandleItem);
  }
}

type Own<T> = T extends CandleItem ? Omit<T, 'symbol' | 'interval' | 'cursor'> : never;
type OwnFields = Own<CandleItem>;

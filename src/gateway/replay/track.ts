import type { Gap, StoredBar } from '../../market/candle.js';
import { bucketEnd, bucketStart, INTERVALS, type Interval, MINUTE_MS } from '../../market/interval.js';
import { nextSeq, seqMinute } from '../../market/position.js';
import type { ReplayChannel } from './channel.js';
import { Pages } from './pages.js';
import type { ReplaySource } from './source.js';

/** The reason of a gap that nobody has announced: the minutes are just not there. */
const NOT_RECORDED = 'not recorded';
const GAPS_A_PAGE = 64;

export interface TrackOptions {
  readonly symbol: string;
  /** What is read; every channel's interval is made of whole ones. */
  readonly base: Interval;
  readonly channels: readonly ReplayChannel[];
  /** Begin of a minute, epoch ms: what happened after it is played. */
  readonly from: number;
  /** Begin of a minute, epoch ms: what happened up to it is played. */
  readonly to: number;
  readonly epoch: number;
  /** seq of the last durable event up to `from`. */
  readonly seq: number;
  /** Up to here every candle is there, or told to be missing; the begin of a bucket. */
  readonly covered: number;
  readonly source: ReplaySource;
  readonly pageRows: number;
}

/**
 * What is stored of one symbol, as events of its channels in their order of time. The seq of an event is the one it had live: that of
 * the minute that closed, whatever was corrected since. A gap is told before the first candle after it, also one that no row explains.
 */
export class Track {
  readonly #options: TrackOptions;
  /** Shortest first, as live. */
  #channels: readonly ReplayChannel[];
  readonly #bars: Pages<StoredBar>;
  readonly #gaps: Pages<Gap>;
  #seq: number;
  #epoch: number;
  /** Up to here every candle is there, or told to be missing. */
  #covered: number;
  /** When its next event happened, epoch ms; infinite: there is none. Known when it is ready. */
  at = Number.POSITIVE_INFINITY;

  constructor(options: TrackOptions) {
    const { symbol, base, channels, from, to, covered, source, pageRows } = options;
    this.#options = options;
    this.#channels = [...channels].sort((a, b) => INTERVALS.indexOf(a.interval) - INTERVALS.indexOf(b.interval));
    this.#seq = options.seq;
    this.#epoch = options.epoch;
    this.#covered = covered;
    this.#bars = new Pages((after) => {
      const start = after === null ? bucketStart(base, from) : bucketEnd(base, after.openTime);
      return source.bars(symbol, base, start, to, pageRows);
    }, pageRows);
    this.#gaps = new Pages((after) => {
      return source.gapsAfter(symbol, after?.to ?? from + MINUTE_MS, after?.seq ?? -1, GAPS_A_PAGE);
    }, GAPS_A_PAGE);
  }

  get ready(): boolean {
    return this.#bars.ready && this.#gaps.ready;
  }

  /** Reads what is needed to know the next event. Rejects as the source does. */
  async fill(): Promise<void> {
    await Promise.all([this.#bars.fill(), this.#gaps.fill()]);
    this.#look();
  }

  /** Nobody wants the channel any more. @returns whether anybody wants another. */
  drop(channel: ReplayChannel): boolean {
    this.#channels = this.#channels.filter((other) => other !== channel);
    return this.#channels.length > 0;
  }

  /** Plays the next event. @returns whether it was a candle. Afterwards it may have to be filled. */
  play(): boolean {
    const bar = this.#bars.head;
    const gap = this.#gaps.head;
    const isBar = bar !== null && (gap === null || this.#endOf(bar) <= timeOf(gap));
    if (isBar) {
      this.#bars.take();
      this.#bar(bar);
    } else if (gap !== null) {
      this.#gaps.take();
      this.#gap(gap);
    }
    if (this.ready) this.#look();
    return isBar;
  }

  #look(): void {
    const bar = this.#bars.head;
    const gap = this.#gaps.head;
    const next = Math.min(bar === null ? Infinity : this.#endOf(bar), gap === null ? Infinity : timeOf(gap));
    this.at = next <= this.#options.to ? next : Number.POSITIVE_INFINITY;
  }

  #endOf(bar: StoredBar): number {
    return bucketEnd(this.#options.base, bar.openTime);
  }

  #bar(bar: StoredBar): void {
    const { base, symbol } = this.#options;
    const end = this.#endOf(bar);
    if (bar.openTime > this.#covered) {
      this.#closeUntil(bar.openTime);
      const seq = nextSeq(this.#seq, bar.openTime - MINUTE_MS);
      this.#announce({ symbol, from: this.#covered, to: bar.openTime, reason: NOT_RECORDED, seq });
    }
    this.#closeUntil(bar.openTime);
    // A correction has moved the row's seq on; one that was not corrected has that of its last minute.
    const last = base !== '1m' && bar.revision === 0 ? seqMinute(bar.seq) : end - MINUTE_MS;
    this.#seq = nextSeq(this.#seq, last);
    this.#epoch = Math.max(this.#epoch, bar.epoch);
    this.#covered = Math.max(this.#covered, end);
    for (const channel of this.#channels) {
      if (channel.interval === base) channel.closed(bar, this.#epoch, this.#seq);
      else {
        channel.add(bar, this.#seq);
        if (channel.bucket?.end === end) this.#close(channel, end);
      }
    }
    for (const channel of this.#channels) if (!channel.closedOnly && isNews(channel, bar)) channel.update();
  }

  #gap(gap: Gap): void {
    const time = timeOf(gap);
    this.#closeUntil(time);
    this.#announce({ ...gap, seq: gap.seq > this.#seq ? seqOf(gap) : nextSeq(this.#seq, time - MINUTE_MS) });
    this.#covered = coveredWith(gap, this.#options.base, this.#covered);
  }

  #announce(gap: Gap): void {
    this.#seq = gap.seq;
    for (const channel of this.#channels) channel.gap(gap, this.#epoch);
  }

  /** Candles that an outage has cut short close with what they have. */
  #closeUntil(time: number): void {
    for (const channel of this.#channels)
      if (channel.bucket !== null && channel.bucket.end <= time) this.#close(channel, time);
  }

  #close(channel: ReplayChannel, time: number): void {
    const { bucket } = channel;
    if (bucket === null) return;
    channel.bucket = null;
    if (bucket.seq <= channel.seq) this.#seq = nextSeq(this.#seq, time - MINUTE_MS);
    channel.closed(bucket.bar(true), this.#epoch, bucket.seq > channel.seq ? bucket.seq : this.#seq);
  }
}

/** Up to where candles are there or told to be missing, when the gap has been told. */
export function coveredWith(gap: Gap, base: Interval, covered: number): number {
  const end = bucketEnd(base, bucketStart(base, gap.to - 1));
  return gap.from < bucketEnd(base, covered) ? Math.max(covered, end) : covered;
}

/** That of the gap; one that became known after what follows it (by a backfill) gets a place before that. */
export function seqOf(gap: Gap): number {
  const time = timeOf(gap);
  return gap.seq < nextSeq(0, time) ? gap.seq : nextSeq(0, time - MINUTE_MS) + 1;
}

/** The minute that the gap ends in may have a candle again: the gap is told before it. */
export function timeOf(gap: Gap): number {
  return bucketStart('1m', gap.to);
}

/** A minute without trades changes only a candle that begins with it. */
function isNews({ bucket }: ReplayChannel, bar: StoredBar): boolean {
  return bucket !== null && (bar.trades > 0 || bucket.openTime === bar.openTime);
}

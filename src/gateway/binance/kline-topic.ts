import type { Clock } from '../../kit/clock.js';
import type { Candle } from '../../market/candle.js';
import type { MarketEvent } from '../../market/event.js';
import { bucketEnd, MINUTE_MS } from '../../market/interval.js';
import { seqMinute } from '../../market/position.js';
import { candleEvent } from '../../wire/binance/kline.js';
import type { Frame } from '../../wire/codec.js';
import type { Recovery } from '../../wire/frames.js';
import type { CandleChannel } from '../candle-channel.js';
import { CandleTopic } from '../channel-topics.js';
import type { Published } from '../published.js';
import { addressOf, combinedFrame, keyOf } from './frame.js';

/** The klines of a channel. Both forms of the stream share what is encoded. */
class Klines {
  #candle: Candle | null = null;
  #data = '';

  constructor(
    readonly interval: string,
    readonly clock: Clock,
  ) {}

  data(candle: Candle): string {
    if (candle !== this.#candle) {
      this.#candle = candle;
      this.#data = candleEvent(candle, this.interval, this.clock.now());
    }
    return this.#data;
  }
}

/**
 * `<symbol>@kline_<interval>`. A candle closes once here, as at Binance, whose clients take every closed kline for a new one: what
 * corrects it later is at /api/v3/klines, as are gaps.
 */
export class KlineTopic extends CandleTopic {
  constructor(
    source: CandleChannel,
    name: string,
    readonly combined: boolean,
    readonly klines: Klines,
  ) {
    super(source, name, 'json', false, addressOf(name, combined));
  }

  override event(_live: Published, event: MarketEvent, prev: number): Frame | null {
    if (event.kind === 'gap') return null;
    if (event.kind === 'closed' && hadClosed(event.candle, prev)) return null;
    return this.frame(event.candle);
  }

  override recovery(_live: Published, { candles, open }: Recovery, since: number): readonly Frame[] {
    const fresh = candles.filter((candle) => !hadClosed(candle, since));
    return [...fresh, ...(open === null ? [] : [open])].map((candle) => this.frame(candle));
  }

  override heartbeat(): null {
    return null;
  }

  /** What a new subscriber is shown first. */
  first(): Frame | null {
    const open = this.source.live?.open ?? null;
    return open === null ? null : this.frame(open);
  }

  frame(candle: Candle): string {
    const data = this.klines.data(candle);
    return this.combined ? combinedFrame(this.channel, data) : data;
  }
}

/** Whether the bucket had ended when its channel stood at `seq`. */
function hadClosed({ interval, openTime }: Candle, seq: number): boolean {
  return bucketEnd(interval, openTime) <= seqMinute(seq) + MINUTE_MS;
}

export function klineTopic(channel: CandleChannel, name: string, combined: boolean): KlineTopic {
  const own = channel.topics.find(keyOf(name, combined));
  if (own instanceof KlineTopic) return own;
  const other = channel.topics.find(keyOf(name, !combined));
  const klines = other instanceof KlineTopic ? other.klines : new Klines(channel.interval, channel.deps.clock);
  return channel.topics.add(new KlineTopic(channel, name, combined, klines));
}

import type { Gap } from '../../market/candle.js';
import { bucketBack, bucketStart, DAY_MS, MINUTE_MS } from '../../market/interval.js';
import type { Limited, ReplayRange, ServerMessage } from '../../wire/messages.js';
import { toWireCandle, toWireGap } from '../../wire/messages.js';
import type { ErrorDetails } from '../context.js';
import { withId } from '../context.js';
import type { ReplayChannel } from './channel.js';
import type { Extent, ReplaySource } from './source.js';
import { timeOf } from './track.js';
import { type Beginning, beginChannels } from './tracks.js';

type Refusal = Pick<ErrorDetails, 'code' | 'message' | 'plan' | 'limit'>;

/** What is read of a symbol before its first event; or why it cannot be played. */
export async function beginSymbol(
  symbol: string,
  { from, to }: ReplayRange,
  bound: Limited | null,
  channels: readonly ReplayChannel[],
  source: ReplaySource,
): Promise<Beginning | Refusal> {
  const extent = await source.extent(symbol, from);
  const isResumed = channels.some(({ request }) => request.position !== null);
  const refusal = refusalOf(symbol, { from, to, isResumed }, extent, bound);
  if (refusal !== null) return refusal;
  if (extent === null) throw new Error('a symbol without candles is refused');
  const until = extent.last === null ? from : extent.last + MINUTE_MS;
  const open = Math.min(until, ...channels.map(({ interval }) => bucketStart(interval, until)));
  const gaps = (await source.gaps(symbol, open, from + MINUTE_MS)).filter((gap) => timeOf(gap) <= from);
  const since = Math.max(until, ...gaps.map(timeOf));
  const beginning = { symbol, from, to, since, extent, gaps };
  await beginChannels(beginning, channels, source);
  return beginning;
}

/** Of several symbols that go on together, one may have come to its end before. */
function refusalOf(
  symbol: string,
  { from, to, isResumed }: { readonly from: number; readonly to: number; readonly isResumed: boolean },
  extent: Extent | null,
  bound: Limited | null,
): Refusal | null {
  if (extent === null)
    return { code: 'unknown_symbol', message: `no feed has the symbol ${symbol} and nothing is stored for it` };
  const oldest = bound === null ? 0 : extent.end - bound.historyDays * DAY_MS;
  if (bound !== null && from < oldest) {
    const message = `the plan ${bound.plan} gives ${bound.historyDays} days of history: replay.from must be ${at(oldest)} or later`;
    return { code: 'plan_limit', plan: bound.plan, limit: 'historyDays', message };
  }
  if (isResumed || (from < extent.end && to > extent.start)) return null;
  const message = `of ${symbol} is stored what lies between ${at(extent.start)} and ${at(extent.end)}`;
  return { code: 'no_history', message };
}

function at(timeMs: number): string {
  return `${timeMs} (${new Date(timeMs).toISOString()})`;
}

/** The answer that the live channel would have given when the replay begins. */
export async function subscribedMessage(
  channel: ReplayChannel,
  beginning: Beginning,
  replay: ReplayRange,
  bound: Limited | null,
  source: ReplaySource,
): Promise<ServerMessage> {
  const { request, interval, name, symbol } = channel;
  const closedUntil = bucketStart(interval, channel.closedOnly ? beginning.from : beginning.since);
  const oldest = bound === null ? 0 : bucketStart(interval, beginning.extent.end - bound.historyDays * DAY_MS);
  const count = request.position === null ? request.snapshot : 0;
  const read = count === 0 ? [] : await source.before(symbol, interval, closedUntil, count);
  const candles = read.filter(({ openTime }) => openTime >= oldest).map(toWireCandle);
  const isCut = candles.length < read.length || (bound !== null && bucketBack(interval, closedUntil, count) < oldest);
  const first = candles[0]?.t ?? closedUntil;
  const older = first < closedUntil ? await source.gaps(symbol, first, closedUntil) : [];
  const gaps = bySeq([...older, ...beginning.gaps.filter((gap) => gap.to > first)]).map(toWireGap);
  const open = channel.closedOnly || channel.bucket === null ? [] : [toWireCandle(channel.bucket.bar(false))];
  const id = withId(request.id);
  const limited = isCut && bound !== null && count > 0 ? { limited: bound } : {};
  const all = { candles: [...candles, ...open], gaps };
  return { type: 'subscribed', ...id, channel: name, ...channel.position, ...all, ...limited, replay };
}

function bySeq(gaps: readonly Gap[]): Gap[] {
  return [...new Map(gaps.map((gap) => [gap.seq, gap])).values()].sort((a, b) => a.seq - b.seq);
}

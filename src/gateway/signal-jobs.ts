import type { Position } from '../market/position.js';
import { signalsFrame } from '../wire/frames.js';
import type { WireSignal } from '../wire/signals.js';
import type { Connection, Job } from './connection.js';
import { type Context, reply, withId } from './context.js';
import { join } from './joining.js';
import { DEFAULT_DEVICE } from './login.js';
import type { SignalChannel } from './signal-channel.js';
import { type SignalPage, toWireSignal } from './signal-feed.js';
import { mustWait, stirred } from './waiting.js';

/** Signals of one frame: a user's page may be larger than what one frame should be. */
const FRAME_BYTES = 64 * 1024;
/** What a signal has beside its data, at most about. */
const SIGNAL_BYTES = 512;

/**
 * Answers, sends everything since the position in frames that follow each other without a hole, and joins live in the turn
 * in which nothing is missing. The job stays, and goes on from `at`, where the connection begins to lag meanwhile.
 */
export async function sendSignals(
  connection: Connection,
  job: Job,
  channel: SignalChannel,
  context: Context,
): Promise<void> {
  await channel.whenLive();
  if (job.at < 0) await answer(connection, job, channel, context);
  while (job.at >= 0 && isWanted(connection, job) && job.at < channel.seq)
    await sendMissed(connection, job, channel, context);
  if (job.at >= 0 && isWanted(connection, job)) join(connection, job, context);
}

function isWanted(connection: Connection, job: Job): boolean {
  return !job.cancelled && !connection.lagging && !connection.closing && connection.socket !== null;
}

/** Says where the connection stands: at its position, or, where that means nothing here, at the newest signal. */
async function answer(connection: Connection, job: Job, channel: SignalChannel, context: Context): Promise<void> {
  const acked = await channel.deps.feed.acked(channel.userId, connection.login?.device ?? DEFAULT_DEVICE);
  const isGood = job.position === null || (await isKnown(channel, job.position, context));
  if (!isWanted(connection, job)) return;
  const { epoch, seq } = await channel.whenLive();
  if (!isWanted(connection, job)) return;
  const recovered = job.position === null ? {} : { recovered: isGood };
  job.at = isGood ? (job.position?.seq ?? seq) : seq;
  const base = { channel: 'signals', epoch, seq: job.at, candles: [], gaps: [] };
  reply(connection, { type: 'subscribed', ...withId(job.id), ...base, ...recovered, acked });
}

/** Of this database, and not beyond its newest signal. What another node was told before this one is waited for. */
async function isKnown(channel: SignalChannel, position: Position, context: Context): Promise<boolean> {
  const { epoch } = await channel.whenLive();
  if (position.epoch !== epoch) return false;
  if (position.seq <= channel.seq) return true;
  const head = await channel.deps.feed.head(channel.userId);
  if (head.epoch !== epoch || head.seq < position.seq) return false;
  if (await channel.reaches(position.seq, context.limits.catchUpMs)) return true;
  throw new SignalsUnavailable('this node has not caught up yet');
}

/** By name: the feed has a class of its own for it. */
class SignalsUnavailable extends Error {
  override readonly name = 'SignalsUnavailable';
}

async function sendMissed(connection: Connection, job: Job, channel: SignalChannel, context: Context): Promise<void> {
  for await (const page of channel.since(job.at)) {
    await sendPage(connection, job, channel, page, context);
    if (!isWanted(connection, job) || job.at >= channel.seq || page.position.seq > job.at) return;
  }
}

/** No further than what was published: the rest comes live. */
async function sendPage(
  connection: Connection,
  job: Job,
  channel: SignalChannel,
  page: SignalPage,
  context: Context,
): Promise<void> {
  const through = Math.min(page.position.seq, channel.seq);
  const signals = page.signals.filter(({ seq }) => seq > job.at && seq <= through).map(toWireSignal);
  for (let sent = 0; sent < signals.length || (sent === 0 && job.at < through); ) {
    while (mustWait(connection, context) && isWanted(connection, job)) await stirred(connection);
    if (!isWanted(connection, job)) return;
    const part = partOf(signals, sent);
    sent += Math.max(1, part.length);
    const seq = sent >= signals.length ? through : (part.at(-1)?.seq ?? through);
    connection.socket?.send(signalsFrame(connection.encoding, { epoch: page.position.epoch, seq }, job.at, part));
    context.stats.deliveries.signal += part.length;
    job.at = seq;
  }
}

/** As many as make one frame. */
function partOf(signals: readonly WireSignal[], from: number): readonly WireSignal[] {
  let bytes = 0;
  let end = from;
  for (; end < signals.length && (end === from || bytes < FRAME_BYTES); end++)
    bytes += SIGNAL_BYTES + JSON.stringify(signals[end]?.data).length;
  return signals.slice(from, end);
}

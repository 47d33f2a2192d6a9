import type { Span } from '../kit/tracer.js';
import { CLOSE, type ErrorCode } from '../wire/codes.js';
import { type Recovery, recoveryFrame, subscribedFrame } from '../wire/frames.js';
import { UnknownSymbol } from './candle-channel.js';
import { CandleTopic } from './channel-topics.js';
import { type Connection, isSubscribed, type Job } from './connection.js';
import { type Context, end, reply, replyError, withId } from './context.js';
import { isHistoryUnavailable } from './history.js';
import { cancel, join } from './joining.js';
import { MomentTopic } from './moment-topic.js';
import { breathe } from './pause.js';
import type { Published } from './published.js';
import { serve } from './serve.js';
import { SignalChannel } from './signal-channel.js';
import { isSignalsUnavailable } from './signal-feed.js';
import { sendSignals } from './signal-jobs.js';
import { StatusChannel } from './status-channel.js';
import { mustWait, stirred } from './waiting.js';

/** Candles sent before the loop gets to do something else. */
const CANDLES_A_TURN = 2_000;

/**
 * Runs a connection's jobs one after the other, each only while little is buffered for it: however much a client asks
 * for, one answer is in memory at a time, and no client keeps the loop or the database to itself.
 */
export function runJobs(connection: Connection, context: Context): void {
  if (connection.running || connection.jobs.length === 0) return;
  connection.running = true;
  run(connection, context).catch((error: unknown) => context.log.error({ error }, 'jobs of a connection failed'));
}

async function run(connection: Connection, context: Context): Promise<void> {
  let candles = 0;
  try {
    for (let job = connection.jobs[0]; job; job = connection.jobs[0]) {
      if (mustWait(connection, context)) await stirred(connection);
      else candles += await runJob(connection, job, context);
      if (candles < CANDLES_A_TURN) continue;
      candles = 0;
      await breathe();
    }
  } finally {
    connection.running = false;
  }
}

/** @returns how many candles were sent. The job stays where the connection began to lag meanwhile. */
function runJob(connection: Connection, job: Job, context: Context): Promise<number> {
  const { closedOnly, source } = job.topic;
  const kind = source instanceof StatusChannel ? 'status' : source instanceof SignalChannel ? 'signals' : 'candles';
  const attributes = { 'candlecast.channel': kind, 'candlecast.closed_only': closedOnly };
  return context.tracer.span(job.kind, { kind: 'server', attributes }, async (span) => {
    const sent = await answerJob(connection, job, context, span);
    span.set({ 'candlecast.candles': sent });
    return sent;
  });
}

async function answerJob(connection: Connection, job: Job, context: Context, span: Span): Promise<number> {
  let sent = 0;
  try {
    const { topic } = job;
    const { source } = topic;
    if (source instanceof StatusChannel) sendStatus(connection, job, source, context);
    else if (source instanceof SignalChannel) await sendSignals(connection, job, source, context);
    else if (topic instanceof CandleTopic)
      await serve(topic.source, job, (live, recovery) => {
        if (job.cancelled || connection.lagging || connection.closing) return;
        sent = recovery.candles.length;
        if (recovery.recovered !== null) span.set({ 'candlecast.recovered': recovery.recovered });
        sendCandles(connection, job, topic, live, recovery, context);
      });
    else if (topic instanceof MomentTopic) sendMoment(connection, job, topic, context);
  } catch (error) {
    if (!job.cancelled) span.failed(fail(connection, job, error, context));
  }
  return sent;
}

function sendCandles(
  connection: Connection,
  job: Job,
  topic: CandleTopic,
  live: Published,
  recovery: Recovery,
  context: Context,
): void {
  const carried = topic.closedOnly ? { ...recovery, open: null } : recovery;
  const frames =
    job.kind === 'resync'
      ? topic.recovery(live, recovery, job.position?.seq ?? 0)
      : [snapshotFrame(topic, job, live, carried)];
  for (const frame of frames) connection.socket?.send(frame);
  context.stats.deliveries[job.kind === 'resync' ? 'resync' : 'snapshot']++;
  join(connection, job, context);
}

/** What a moment shows replaces what was missed of it; where it cannot, the connection begins anew. */
function sendMoment(connection: Connection, job: Job, topic: MomentTopic, context: Context): void {
  const frames = topic.since(job.position);
  if (frames === null) {
    cancel(connection, job);
    end(connection, CLOSE.slowConsumer, context.stats);
    return;
  }
  for (const frame of frames) connection.socket?.send(frame);
  join(connection, job, context);
}

function snapshotFrame(topic: CandleTopic, job: Job, live: Published, recovery: Recovery) {
  // What was sent, not what was asked for: `atOnce` may have brought fewer than another asks for.
  const count = recovery.candles.length;
  const since = recovery.recovered === null ? null : (job.position?.seq ?? null);
  if (recovery.recovered === false || recovery.limited)
    return subscribedFrame(topic.encoding, topic.channel, live, recovery, null, job.id);
  const cached = topic.snapshot;
  const isSame = cached?.of === live && cached.version === live.version;
  let frame = isSame && cached.count === count && cached.since === since ? cached.frame : null;
  if (frame === null && (job.id === undefined || topic.encoding === 'json')) {
    frame = recoveryFrame('subscribed', topic.encoding, topic.channel, live, recovery);
    topic.snapshot = { of: live, version: live.version, since, count, frame };
  }
  return subscribedFrame(topic.encoding, topic.channel, live, recovery, frame, job.id);
}

function sendStatus(connection: Connection, job: Job, status: StatusChannel, context: Context): void {
  const { epoch, seq } = status;
  const recovered = job.position === null ? {} : { recovered: false };
  if (job.kind === 'subscribe') {
    const base = { channel: 'status', epoch, seq, candles: [], gaps: [] };
    reply(connection, { type: 'subscribed', ...withId(job.id), ...base, ...recovered });
  }
  connection.socket?.send(status.snapshot(connection.encoding));
  context.stats.deliveries.status++;
  join(connection, job, context);
}

/** @returns what it told the client. */
function fail(connection: Connection, job: Job, error: unknown, context: Context): ErrorCode {
  cancel(connection, job);
  const { code, message } = explain(error);
  const { channel } = job.topic;
  if (code === 'internal') context.log.error({ error, channel }, 'a subscription failed');
  if (job.topic.source instanceof SignalChannel && isSubscribed(job))
    reply(connection, { type: 'unsubscribed', channel, reason: code, message });
  else if (job.kind === 'resync') end(connection, CLOSE.slowConsumer, context.stats);
  else replyError(connection, { code, message, id: job.id, channel }, context.stats);
  return code;
}

function explain(error: unknown): { code: ErrorCode; message: string } {
  if (error instanceof UnknownSymbol)
    return { code: 'unknown_symbol', message: `no feed has the symbol ${error.message} and nothing is stored for it` };
  if (isHistoryUnavailable(error))
    return { code: 'history_unavailable', message: 'history cannot be read now; try again later' };
  if (isSignalsUnavailable(error))
    return { code: 'unavailable', message: 'signals cannot be read now; try again later' };
  return { code: 'internal', message: 'an error of ours; it is logged' };
}

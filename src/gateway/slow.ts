import { CLOSE } from '../wire/codes.js';
import type { AnyTopic, Connection, Job } from './connection.js';
import { type Context, end } from './context.js';
import { runJobs } from './jobs.js';
import { leave } from './joining.js';
import { MARK } from './replay/unread.js';

/** Lags further apart than this are not counted together. */
const LAG_MEMORY_MS = 60_000;

/**
 * Looks at one connection. What the kernel holds (up to 4 MB a client) shows in no buffer of ours: only the answer to a
 * ping proves that the client has read all that was sent before it.
 */
export function lookAt(connection: Connection, context: Context): void {
  const { limits } = context;
  const now = context.uptimeMs();
  connection.stir();
  if (connection.closing) return;
  if (connection.lagging) {
    if (now - connection.lagAt > limits.lagTimeoutMs) end(connection, CLOSE.slowConsumer, context.stats);
    return;
  }
  const overdue = connection.pingAt >= 0 && now - connection.pingAt > limits.pongTimeoutMs;
  if (overdue || (connection.socket?.bufferedBytes() ?? 0) > limits.lagBytes) lag(connection, context);
  else if (connection.pingAt < 0 && isPingTurn(connection, context, now)) ping(connection, now);
}

/** The client has read everything up to its last ping. */
export function answered(connection: Connection, payload: string, context: Context): void {
  if (payload.startsWith(MARK)) {
    for (const replay of connection.replays) replay.answered(payload);
    return;
  }
  if (connection.closing || payload !== String(connection.pingNumber)) return;
  if (connection.pingAt >= 0) context.stats.roundTrip.observe(context.uptimeMs() - connection.pingAt);
  connection.pingAt = -1;
  if (!connection.lagging) return;
  connection.lagAt = -1;
  context.stats.lagging--;
  connection.stir();
  runJobs(connection, context);
}

function isPingTurn(connection: Connection, { limits }: Context, now: number): boolean {
  const slots = Math.max(1, Math.round(limits.pingPeriodMs / limits.sweepMs));
  return Math.floor(now / limits.sweepMs) % slots === connection.slot % slots;
}

function ping(connection: Connection, now: number): void {
  connection.pingNumber++;
  connection.pingAt = now;
  connection.socket?.ping(String(connection.pingNumber));
}

/**
 * Live goes on without it: what was published up to this moment is in its buffer, the rest it gets as a `resync` from
 * its position when it has drained. The ping comes first: it hands over what is published and not yet sent.
 */
function lag(connection: Connection, context: Context): void {
  const now = context.uptimeMs();
  ping(connection, now);
  if (connection.socket === null) return;
  connection.lags = now - connection.lastLagAt > LAG_MEMORY_MS ? 1 : connection.lags + 1;
  connection.lastLagAt = now;
  connection.lagAt = now;
  context.stats.lagging++;
  context.stats.lagsTotal++;
  const topics = [...connection.live];
  connection.jobs = [...topics.map(resyncJob), ...connection.jobs];
  for (const topic of topics) leave(connection, topic, context);
  if (connection.lags > context.limits.lagsInARow) end(connection, CLOSE.slowConsumer, context.stats);
}

/** What brings a connection from where it stands up to live. */
export function resyncJob(topic: AnyTopic): Job {
  const { position } = topic.source;
  const at = position && { epoch: position.epoch, seq: position.seq };
  const nothing = { id: undefined, snapshot: null, atOnce: false, bound: null };
  return { topic, kind: 'resync', ...nothing, position: at, at: at?.seq ?? -1, cancelled: false };
}

import { errorFrame, printable, resultFrame, type StreamError } from '../../wire/binance/request.js';
import { parseStream } from '../../wire/binance/stream.js';
import { UnknownSymbol } from '../candle-channel.js';
import type { AnyTopic } from '../connection.js';
import { type Context, countError } from '../context.js';
import { channelsRefusal, planOf, refusalOf } from '../entitled.js';
import { isHistoryUnavailable } from '../history.js';
import { cancel, joinNow, quit } from '../joining.js';
import { resyncJob } from '../slow.js';
import type { BinanceConnection } from './connection.js';
import { KlineTopic } from './kline-topic.js';
import { channelOf, type Found, NO_SUCH_SYMBOL, type Streams } from './streams.js';

interface Wanted extends Found {
  readonly name: string;
}

/** All or none of them: the answer, then live. `id` null: nobody asked, and nothing is answered but an error. Never rejects. */
export async function subscribe(
  connection: BinanceConnection,
  names: readonly string[],
  id: string | null,
  context: Context,
  streams: Streams,
): Promise<void> {
  const wanted = find(connection, names, context, streams);
  if ('code' in wanted) {
    refuse(connection, { ...wanted, id: id ?? 'null' }, context);
    return;
  }
  for (const { topic } of wanted) topic.source.retain();
  const failed = await firstFailure(wanted);
  const isGone = connection.socket === null || connection.closing;
  if (failed !== null || isGone) {
    for (const { topic } of wanted) topic.source.release();
    if (failed !== null) refuse(connection, { ...explain(failed, context), id: id ?? 'null' }, context);
    return;
  }
  if (id !== null) connection.socket?.send(resultFrame(id, null));
  for (const { topic } of wanted) begin(connection, topic, context);
}

export function unsubscribe(
  connection: BinanceConnection,
  names: readonly string[],
  id: string,
  context: Context,
): void {
  // The answer first: sending it hands over what was published in this turn.
  connection.socket?.send(resultFrame(id, null));
  for (const topic of topicsOf(connection).filter(({ channel }) => names.includes(channel))) {
    const job = connection.jobs.find((candidate) => candidate.topic === topic);
    if (job) cancel(connection, job);
    else quit(connection, topic, context);
  }
}

/** All of its streams go on in the other form, from the next message on. */
export function setCombined(
  connection: BinanceConnection,
  combined: boolean,
  id: string,
  context: Context,
  streams: Streams,
): void {
  connection.socket?.send(resultFrame(id, null));
  if (combined === connection.combined) return;
  connection.combined = combined;
  for (const topic of topicsOf(connection)) {
    const stream = parseStream(topic.channel);
    const other = typeof stream === 'string' ? stream : streams.find(stream, combined);
    if (typeof other === 'string') continue;
    other.ready.catch(() => {});
    exchange(connection, topic, other.topic, context);
  }
}

/** Names of all that it is subscribed to, also of those that wait for it to read. */
export function topicsOf(connection: BinanceConnection): readonly AnyTopic[] {
  return [...connection.live, ...connection.jobs.map((job) => job.topic)];
}

export function refuse(connection: BinanceConnection, error: StreamError, context: Context): void {
  countError(error.code === 3 ? 'invalid_json' : 'invalid_message', context.stats);
  connection.socket?.send(errorFrame(error));
}

type Refusal = Omit<StreamError, 'id'>;

function find(
  connection: BinanceConnection,
  names: readonly string[],
  context: Context,
  streams: Streams,
): readonly Wanted[] | Refusal {
  const plan = planOf(connection, context);
  const fresh = names.filter((name) => !topicsOf(connection).some((topic) => topic.channel === name));
  const parsed = fresh.map((name) => ({ name, stream: parseStream(name) }));
  for (const [place, { name, stream }] of parsed.entries()) {
    if (typeof stream === 'string') return invalid(name, stream);
    const channel = channelOf(stream);
    const refusal = channel === null ? null : refusalOf(null, plan, channel);
    if (refusal !== null) return invalid(name, refusal.message);
    const have = { channels: connection.channels + place };
    const tooMany = channelsRefusal(have, plan, context.limits.channelsPerConnection);
    if (tooMany !== null) return { code: 4, msg: `Too many subscriptions: ${tooMany.message}` };
  }
  const wanted: Wanted[] = [];
  for (const { name, stream } of parsed) {
    const found = typeof stream === 'string' ? stream : streams.find(stream, connection.combined);
    if (typeof found === 'string') return invalid(name, found);
    // Looked at later, unless another stream of the request is wrong.
    found.ready.catch(() => {});
    wanted.push({ name, ...found });
  }
  return wanted;
}

function invalid(name: string, why: string): Refusal {
  return { code: 2, msg: `Invalid request: ${printable(name)}: ${why}` };
}

async function firstFailure(wanted: readonly Wanted[]): Promise<{ name: string; error: unknown } | null> {
  const results = await Promise.allSettled(wanted.map(({ ready }) => ready));
  for (const [place, result] of results.entries())
    if (result.status === 'rejected') return { name: wanted[place]?.name ?? '', error: result.reason };
  return null;
}

function explain({ name, error }: { name: string; error: unknown }, context: Context): Refusal {
  if (error instanceof UnknownSymbol) return invalid(name, NO_SUCH_SYMBOL);
  if (!isHistoryUnavailable(error)) context.log.error({ error, stream: name }, 'a subscription failed');
  return invalid(name, 'it cannot be begun now; try again later');
}

/** A connection that lags meanwhile joins when it has read what it was sent. */
function begin(connection: BinanceConnection, topic: AnyTopic, context: Context): void {
  if (connection.lagging) {
    connection.addJobs([resyncJob(topic)]);
    return;
  }
  const first = topic instanceof KlineTopic ? topic.first() : null;
  if (first !== null) connection.socket?.send(first);
  joinNow(connection, topic, context);
}

function exchange(connection: BinanceConnection, topic: AnyTopic, other: AnyTopic, context: Context): void {
  other.source.retain();
  const job = connection.jobs.find((candidate) => candidate.topic === topic);
  if (job === undefined) {
    quit(connection, topic, context);
    joinNow(connection, other, context);
    return;
  }
  cancel(connection, job);
  connection.addJobs([{ ...job, topic: other, cancelled: false }]);
}

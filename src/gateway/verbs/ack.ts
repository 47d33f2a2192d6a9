import type { ClientMessage } from '../../wire/messages.js';
import { type Connection, isSubscribed } from '../connection.js';
import { type Context, type ErrorDetails, reply, replyError, withId } from '../context.js';
import { within } from '../deadline.js';
import type { Login, WaitingAck } from '../login.js';
import { messageOf } from '../rechecks.js';
import { SignalChannel } from '../signal-channel.js';

type Ack = Extract<ClientMessage, { op: 'ack' }>;

/** Cumulative: what is told while one is being written is written at once after it. Each gets its `acked`, or an error. */
export function ack(connection: Connection, message: Ack, context: Context): void {
  const { login } = connection;
  const refusal = refusalOf(connection, message.seq);
  if (refusal !== null) {
    replyError(connection, { ...refusal, id: message.id, channel: message.channel }, context.stats);
  } else if (login !== null) {
    login.acks = [...login.acks, { id: message.id, seq: message.seq }];
    if (!login.acking) void writeAll(connection, login, context);
  }
}

function refusalOf(connection: Connection, seq: number): Pick<ErrorDetails, 'code' | 'message'> | null {
  if (connection.login === null)
    return { code: 'auth_required', message: 'send auth first: signals are the caller’s own' };
  const sent = sentTo(connection);
  if (sent === null) return { code: 'not_subscribed', message: 'the connection does not have this channel' };
  return seq <= sent ? null : { code: 'invalid_message', message: `seq: nothing after ${sent} was sent` };
}

/** The seq up to which signals were sent; null: the connection has no such channel. */
function sentTo(connection: Connection): number | null {
  const isOfSignals = ({ topic }: { topic: { source: unknown } }) => topic.source instanceof SignalChannel;
  const job = connection.jobs.find((candidate) => isOfSignals(candidate));
  if (job !== undefined) return isSubscribed(job) ? job.at : null;
  const live = connection.live.find((topic) => isOfSignals({ topic }));
  return live === undefined ? null : (live.source.position?.seq ?? 0);
}

async function writeAll(connection: Connection, login: Login, context: Context): Promise<void> {
  login.acking = true;
  while (login.acks.length > 0 && connection.login === login) await write(connection, login, login.takeAcks(), context);
  login.acking = false;
}

async function write(
  connection: Connection,
  login: Login,
  acks: readonly WaitingAck[],
  context: Context,
): Promise<void> {
  const { clock, limits, users } = context;
  const seq = acks.reduce((most, one) => Math.max(most, one.seq), 0);
  const epoch = epochOf(connection);
  try {
    const written = users.parts.signals.ack(login.user.id, login.device, seq);
    const stored = await within(limits.verifyMs, clock, written);
    for (const { id } of acks)
      reply(connection, { type: 'acked', ...withId(id), channel: 'signals', epoch, seq: stored });
  } catch (error) {
    context.log.warn({ error: messageOf(error) }, 'an acknowledgement cannot be written now');
    const details = { channel: 'signals', code: 'unavailable', message: 'not written now: send it again' } as const;
    for (const { id } of acks) replyError(connection, { ...details, id }, context.stats);
  }
}

function epochOf(connection: Connection): number {
  const topics = [...connection.live, ...connection.jobs.map((job) => job.topic)];
  return topics.find(({ source }) => source instanceof SignalChannel)?.source.position?.epoch ?? 0;
}

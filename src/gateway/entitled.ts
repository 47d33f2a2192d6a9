import { type Channel, parseChannel } from '../market/channel.js';
import type { Entitlements, Identity, Scope } from '../wire/identity.js';
import type { Limited } from '../wire/messages.js';
import { type AnyTopic, type Connection, isSubscribed, type Job } from './connection.js';
import { type Context, type ErrorDetails, reply, replyError } from './context.js';
import { cancel, quit } from './joining.js';

type Refusal = Pick<ErrorDetails, 'code' | 'message' | 'plan' | 'limit'>;

/** What the connection is held to; null: nothing but what the server gives every connection. */
export function planOf({ login }: Connection, { users }: Context): Entitlements | null {
  return login?.identity.entitlements ?? users.parts.visitors;
}

/** Why somebody may not have the channel, however many they have; null: they may. Without a user there is all but `signals`. */
export function refusalOf(identity: Identity | null, plan: Entitlements | null, channel: Channel): Refusal | null {
  if (channel.kind === 'signals') return identity === null ? AUTH_REQUIRED : needs(identity, 'signals:read');
  if (channel.kind === 'status') return null;
  if (plan !== null && plan.intervals !== null && !plan.intervals.includes(channel.interval)) return notGiven(plan);
  return identity === null ? null : needs(identity, 'candles');
}

/** Of what the server gives every connection, the plan may give fewer. */
export function channelsRefusal(
  { channels }: Pick<Connection, 'channels'>,
  plan: Entitlements | null,
  most: number,
): Refusal | null {
  if (plan !== null && plan.channels < most && channels >= plan.channels) return tooMany(plan);
  if (channels < most) return null;
  return { code: 'too_many_channels', message: `the limit is ${most} channels a connection` };
}

/** How far back the plan lets one look. */
export function boundOf(plan: Entitlements | null): Limited | null {
  return plan === null || plan.historyDays === null ? null : { plan: plan.plan, historyDays: plan.historyDays };
}

/** Takes away what the identity does not give any more, of what is over a number the latest; says so for each. */
export function dropExcess(connection: Connection, context: Context): void {
  const identity = connection.login?.identity ?? null;
  if (identity === null) return;
  const { channels } = identity.entitlements;
  const topics = [...connection.live, ...connection.jobs.map((job) => job.topic)];
  let kept = 0;
  for (const topic of topics) {
    const channel = parseChannel(topic.channel);
    const refusal = typeof channel === 'string' ? null : refusalOf(identity, identity.entitlements, channel);
    if (refusal !== null) drop(connection, topic, refusal, context);
    else if (kept >= channels) drop(connection, topic, tooMany(identity.entitlements), context);
    else kept++;
  }
  dropReplays(connection, identity, kept);
}

function dropReplays(connection: Connection, identity: Identity, kept: number): void {
  const plan = identity.entitlements;
  for (const replay of connection.replays) {
    for (const channel of [...replay.channels]) {
      const isOver = kept >= plan.channels;
      const refusal = refusalOf(identity, plan, channel.request.channel) ?? (isOver ? tooMany(plan) : null);
      if (refusal === null) kept++;
      else replay.withdraw(channel, refusal);
    }
  }
}

const AUTH_REQUIRED: Refusal = { code: 'auth_required', message: 'send auth first: signals are the caller’s own' };

function needs({ scopes }: Identity, scope: Scope): Refusal | null {
  if (scopes === null || scopes.includes(scope)) return null;
  return { code: 'missing_scope', message: `the API key lacks the scope ${scope}` };
}

function notGiven({ plan, intervals }: Entitlements): Refusal {
  const message = `the plan ${plan} gives the intervals ${(intervals ?? []).join(' ')}`;
  return { code: 'plan_limit', plan, limit: 'intervals', message };
}

function tooMany({ plan, channels }: Entitlements): Refusal {
  const message = `the plan ${plan} gives ${channels} channels a connection`;
  return { code: 'plan_limit', plan, limit: 'channels', message };
}

/** Whoever has not been answered yet gets an error as the answer. */
function drop(connection: Connection, topic: AnyTopic, refusal: Refusal, context: Context): void {
  const job: Job | undefined = connection.jobs.find((candidate) => candidate.topic === topic);
  const { channel } = topic;
  if (job !== undefined && !isSubscribed(job)) {
    replyError(connection, { ...refusal, id: job.id, channel }, context.stats);
  } else {
    // The message first: sending it hands over what was published to the topic in this turn.
    reply(connection, { type: 'unsubscribed', channel, reason: refusal.code, message: refusal.message });
  }
  if (job === undefined) quit(connection, topic, context);
  else cancel(connection, job);
}

import type { AnyTopic, Connection, Job } from './connection.js';
import type { Context } from './context.js';

/** In the turn of the answer: from here on live reaches the socket. */
export function join(connection: Connection, job: Job, context: Context): void {
  connection.removeJob(job);
  joinNow(connection, job.topic, context);
}

export function joinNow(connection: Connection, topic: AnyTopic, context: Context): void {
  connection.live.push(topic);
  connection.socket?.subscribe(topic.key);
  topic.subscribers++;
  context.stats.subscriptions++;
  const { source } = topic;
  const beat = source.stale && source.position !== null ? topic.heartbeat(source.position, true) : null;
  if (beat !== null) connection.socket?.send(beat);
}

/** Takes the topic off the socket; what was published to it so far must have been handed to the socket (a send does that). */
export function leave(connection: Connection, topic: AnyTopic, context: Context): void {
  const index = connection.live.indexOf(topic);
  if (index < 0) return;
  connection.live.splice(index, 1);
  connection.socket?.unsubscribe(topic.key);
  topic.subscribers--;
  context.stats.subscriptions--;
}

/** Leaves for good. */
export function quit(connection: Connection, topic: AnyTopic, context: Context): void {
  leave(connection, topic, context);
  topic.source.release();
}

export function cancel(connection: Connection, job: Job): void {
  job.cancelled = true;
  connection.removeJob(job);
  job.topic.source.release();
}

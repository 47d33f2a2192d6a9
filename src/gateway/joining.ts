import { heartbeatFrame } from '../wire/frames.js';
import type { AnyTopic, Connection, Job } from './connection.js';
import type { Context } from './context.js';

/** In the turn of the answer: from here on live reaches the socket. */
export function join(connection: Connection, job: Job, context: Context): void {
  connection.removeJob(job);
  connection.live.push(job.topic);
  connection.socket?.subscribe(job.topic.key);
  job.topic.subscribers++;
  context.stats.subscriptions++;
  const { source, encoding, channel } = job.topic;
  if (source.stale && source.position !== null)
    connection.socket?.send(heartbeatFrame(encoding, channel, source.position, true));
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

/** The floor's ingest side: a line over TCP is a frame, published as it is. */
import { Redis } from 'ioredis';
import { answer, openInlet } from './answer.js';

answer(async ({ url, channel }) => {
  const redis = new Redis(String(url));
  const inletPort = await openInlet((line) => {
    void redis.publish(String(channel), line.slice(line.indexOf('\t') + 1));
  });
  return { re: 'ready', inletPort, pid: process.pid };
});

/** The floor's gateway side: a message from Redis is a frame, published as it is. */

import uws from 'uWebSockets.js';
import { Redis } from 'ioredis';
import { answer } from './answer.js';

answer(async ({ url, channel }) => {
  const app = uws.App().ws('/*', {
    idleTimeout: 0,
    sendPingsAutomatically: false,
    open: (ws) => {
      ws.subscribe('trades');
    },
  });
  const redis = new Redis(String(url));
  redis.on('message', (_channel, message) => app.publish('trades', message, false, false));
  await redis.subscribe(String(channel));
  const port = await new Promise<number>((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (socket === false) reject(new Error('cannot listen'));
      else resolve(uws.us_socket_local_port(socket));
    });
  });
  return { re: 'ready', port, pid: process.pid };
});

/** The floor: uWebSockets.js itself, subscribing each socket to the channels its query names. */
import uws from 'uWebSockets.js';
import { host, payload } from './host.js';

const app = uws.App().ws<{ channels: string[] }>('/*', {
  maxBackpressure: 64 * 1024 * 1024,
  idleTimeout: 0,
  sendPingsAutomatically: false,
  upgrade(res, req, context) {
    const channels = (req.getQuery('c') ?? '').split(',');
    const key = req.getHeader('sec-websocket-key');
    res.upgrade({ channels }, key, '', '', context);
  },
  open(ws) {
    const data = ws.getUserData();
    for (const channel of data.channels) ws.subscribe(channel);
    data.channels = [];
  },
});

await host({
  dialect: 'query',
  listen: () =>
    new Promise((resolve, reject) => {
      app.listen('127.0.0.1', 0, (socket) => {
        if (socket === false) reject(new Error('cannot listen'));
        else resolve(uws.us_socket_local_port(socket));
      });
    }),
  tick(count) {
    for (let i = 0; i < count; i++) app.publish(String(i), payload(i), false, false);
  },
});

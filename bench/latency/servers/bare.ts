/** The floor: a line over TCP is a frame, published as it is. */

import uws from 'uWebSockets.js';
import { createServer } from 'node:net';
import { eachLine, ready } from './inlet.js';

const app = uws.App().ws('/*', {
  idleTimeout: 0,
  sendPingsAutomatically: false,
  open: (ws) => {
    ws.subscribe('trades');
  },
});
const inlet = createServer({ noDelay: true }, (socket) =>
  eachLine(socket, (line) => {
    app.publish('trades', line.slice(line.indexOf('\t') + 1), false, false);
  }),
);
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('cannot listen');
  ready(inlet, uws.us_socket_local_port(socket));
});

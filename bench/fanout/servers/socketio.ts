/** Socket.IO over its WebSocket transport, one room a channel. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { host } from './host.js';

const http = createServer();
// The load client answers no engine.io pings: none may come due while it runs.
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, pingInterval: 3_600_000 });
const text = 'x'.repeat(169);

io.on('connection', (socket) => {
  socket.on('sub', (names: string[]) => {
    void socket.join(names);
    socket.emit('ok');
  });
});

await host({
  dialect: 'socketio',
  listen: () =>
    new Promise((resolve) => {
      http.listen(0, '127.0.0.1', () => resolve((http.address() as AddressInfo).port));
    }),
  tick(count) {
    for (let i = 0; i < count; i++) io.to(String(i)).emit('m', text);
  },
});

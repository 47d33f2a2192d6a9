/** `ws` as its readme shows it: one send per subscriber and message. */
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { host, payload } from './host.js';

const channels = new Map<string, Set<WebSocket>>();

await host({
  dialect: 'query',
  listen: () =>
    new Promise((resolve) => {
      const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
      server.on('listening', () => resolve((server.address() as AddressInfo).port));
      server.on('connection', (socket, req) => {
        const names = new URL(req.url ?? '/', 'http://x').searchParams.get('c') ?? '';
        for (const name of names.split(',')) {
          const set = channels.get(name) ?? new Set();
          channels.set(name, set.add(socket));
        }
      });
    }),
  tick(count) {
    for (let i = 0; i < count; i++) for (const socket of channels.get(String(i)) ?? []) socket.send(payload(i));
  },
});

/** Shared by the servers that run one of our transports without the gateway. */
import { chooseTransport, type TransportChoice } from '../../../src/gateway/transport/create.js';
import { systemClock } from '../../../src/kit/clock.js';
import { silentLog } from '../../../src/kit/log.js';
import { json } from '../../../src/wire/http.js';
import { host, payload } from './host.js';

export async function serveTransport(choice: TransportChoice): Promise<void> {
  const create = await chooseTransport(choice, silentLog, systemClock);
  const transport = create<{ channels: string[] }>(
    () => json(404, {}),
    {
      upgrade: (r) => ({ data: { channels: (r.query.get('c') ?? '').split(',') }, protocol: null }),
      open(socket) {
        for (const channel of socket.data.channels) socket.subscribe(channel);
        socket.data.channels = [];
      },
      message() {},
      pong() {},
      drain() {},
      close() {},
    },
    { maxInboundBytes: 4096, maxBodyBytes: 65_536, maxBufferedBytes: 64 * 1024 * 1024, idleTimeoutMs: 900_000 },
  );
  await host({
    dialect: 'query',
    listen: () => transport.listen('127.0.0.1', 0),
    tick(count) {
      for (let i = 0; i < count; i++) transport.publish(String(i), payload(i));
    },
  });
}

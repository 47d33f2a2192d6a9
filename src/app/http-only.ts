import { DEFAULT_LIMITS } from '../gateway/limits.js';
import type { CreateTransport } from '../gateway/transport/transport.js';
import { type HttpHandler, problem } from '../wire/http.js';
import { LIMITS } from '../wire/messages.js';
import { type Around, toStop } from './around.js';

const MAX_BODY_BYTES = 1024 * 1024;

/** HTTP without WebSockets, for a node that serves no clients. @returns the port. @throws UserError */
export async function openHttp(
  { config, lifecycle }: Around,
  createTransport: CreateTransport,
  http: HttpHandler,
): Promise<number> {
  const nothing = (): void => {};
  const transport = createTransport<null>(
    http,
    {
      upgrade: () => ({
        refuse: problem(404, 'Not Found', 'this node serves no WebSockets (ROLES has no gateway): connect to another'),
      }),
      open: nothing,
      message: nothing,
      pong: nothing,
      drain: nothing,
      close: nothing,
    },
    {
      maxInboundBytes: LIMITS.inboundBytes,
      maxBodyBytes: MAX_BODY_BYTES,
      maxBufferedBytes: DEFAULT_LIMITS.maxBufferedBytes,
      idleTimeoutMs: DEFAULT_LIMITS.idleTimeoutMs,
    },
  );
  const port = await transport.listen(config.host, config.port);
  await lifecycle.start(toStop('http', () => transport.close()));
  return port;
}

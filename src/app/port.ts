import { type AddressInfo, createServer } from 'node:net';
import { PortInUseError } from '../gateway/transport/listen.js';
import { UserError } from '../kit/errors.js';

/** Asks before the long part of a start; the transport asks again. @returns the port, a free one for 0. @throws UserError */
export function requireFreePort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') reject(new PortInUseError(host, port));
      else reject(new UserError(`HOST ${host}, PORT ${port}: cannot listen there: ${error.message}`, { cause: error }));
    });
    server.listen({ host, port, exclusive: true }, () => {
      const { port: taken } = server.address() as AddressInfo;
      server.close(() => resolve(taken));
    });
  });
}

import { createServer } from 'node:net';
import { UserError } from '../../kit/errors.js';

/** Another process, or another socket of this one, has the port. */
export class PortInUseError extends UserError {
  override readonly name = 'PortInUseError';

  constructor(
    readonly host: string,
    readonly port: number,
  ) {
    super(`Port ${port} on ${host} is in use. Stop the program that has it, or choose another with PORT.`);
  }
}

/** What the operating system's refusal to listen means, for the operator. */
export function listenError(host: string, port: number, code: string): UserError {
  if (code === 'EADDRINUSE') return new PortInUseError(host, port);
  if (code === 'EACCES')
    return new UserError(`Not allowed to listen on port ${port}: choose one above 1023 with PORT.`);
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new UserError(`${host} is no address of this machine: use 127.0.0.1, 0.0.0.0 or :: as HOST.`);
  }
  return new UserError(`Cannot listen on ${host} port ${port} (${code}).`);
}

/**
 * Tries to take the address with a plain exclusive socket and gives it back at once.
 * @returns the operating system's error code, or null where the address is free.
 */
export function probe(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
}

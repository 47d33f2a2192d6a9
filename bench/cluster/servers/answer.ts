import { createServer } from 'node:net';
import { eachLine } from '../../latency/servers/inlet.js';

/** Answers each command of the runner with one message; what fails is told. */
export function answer(handle: (command: Readonly<Record<string, unknown>>) => Promise<object>): void {
  process.on('message', async (command: Record<string, unknown>) => {
    try {
      process.send?.(await handle(command));
    } catch (error) {
      process.send?.({ re: 'failed', message: error instanceof Error ? String(error.stack) : String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
}

/** @returns the port on which each line is taken. */
export function openInlet(take: (line: string) => void): Promise<number> {
  const inlet = createServer({ noDelay: true }, (socket) => eachLine(socket, take));
  return new Promise((resolve) => {
    inlet.listen(0, '127.0.0.1', () => {
      const address = inlet.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

import type { Server, Socket } from 'node:net';

/** Calls `take` for every line that a socket brings. */
export function eachLine(socket: Socket, take: (line: string) => void): void {
  let rest = '';
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
}

/** Tells the runner where trades go in and where sockets connect. */
export function ready(inlet: Server, port: number): void {
  inlet.listen(0, '127.0.0.1', () => {
    const address = inlet.address();
    const inletPort = typeof address === 'object' && address !== null ? address.port : 0;
    process.send?.({ re: 'ready', port, inletPort });
  });
  process.on('message', (message: { op: string }) => {
    if (message.op === 'cpu') process.send?.({ re: 'cpu', micros: cpuMicros() });
  });
  process.on('disconnect', () => process.exit(0));
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

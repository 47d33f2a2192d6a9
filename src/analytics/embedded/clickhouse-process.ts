/** Entry of the ClickHouse process: the embedded engine behind a private Unix socket. */
import { mkdir } from 'node:fs/promises';
import { constants, setPriority } from 'node:os';
import { join } from 'node:path';
import { host } from '../../kit/embedded/host.js';
import { openClickHouse } from './engine.js';
import { HttpFront } from './front.js';
import { CLICKHOUSE } from './start.js';

// Whoever serves clients goes first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);

host({
  kind: CLICKHOUSE,
  lockFile: (dataDir) => join(dataDir, 'clickhouse.lock'),
  prepare: async (dataDir) => {
    await mkdir(dataDir, { recursive: true });
  },
  async open({ dataDir, socket, progress }) {
    progress('opening the embedded ClickHouse');
    const engine = await openClickHouse(join(dataDir, 'clickhouse'));
    const front = new HttpFront(engine);
    await front.listen(socket);
    return {
      close: async () => {
        front.stop();
        engine.close();
      },
    };
  },
});

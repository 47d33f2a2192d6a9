/** Entry of the database process: one TimescaleDB backend in WASM behind a private Unix socket. */
import { systemClock } from '../../kit/clock.js';
import { host } from '../../kit/embedded/host.js';
import { databasePath, makeDataDir, prepareDatabaseDirectory } from './database-directory.js';
import { openEngine } from './engine.js';
import { Front } from './front.js';
import { POSTGRES } from './running.js';

host({
  kind: POSTGRES,
  lockFile: (dataDir) => `${databasePath(dataDir)}.lock`,
  prepare: makeDataDir,
  async open({ dataDir, socket, log, progress, died }) {
    const database = await prepareDatabaseDirectory(dataDir);
    progress(database.fresh ? 'creating the embedded database' : 'opening the embedded database');
    const engine = await openEngine(database.path);
    if (database.fresh) engine.rows('CHECKPOINT');
    await database.filled();
    const front = new Front(engine, systemClock, log, died);
    await front.listen(socket);
    return {
      async close() {
        front.stop();
        await engine.close();
      },
    };
  },
});

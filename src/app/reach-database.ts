import { runningDatabase } from '../store/embedded/running.js';
import { type Around, toStop } from './around.js';
import { openDatabase } from './database.js';

/**
 * The URL of a database for as long as a command runs: of a server; without a `url`, of the embedded one that a running server of this
 * DATA_DIR serves, else of one that is opened and closed again. @throws UserError
 */
export async function reachDatabase(around: Around, url: string | null): Promise<string> {
  if (url !== null) return url;
  const { config, clock, log, progress, lifecycle } = around;
  const running = await runningDatabase(config.dataDir);
  if (running !== null) return running;
  const database = await openDatabase({ url, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(toStop('database', () => database.stop()));
  return database.url;
}

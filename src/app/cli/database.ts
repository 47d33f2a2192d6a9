import { toStop } from '../around.js';
import { endedByItself, migrateDatabase, openDatabase } from '../database.js';
import { reachDatabase } from '../reach-database.js';
import { startJobs } from '../store.js';
import type { Ground } from './run.js';
import { untilStopped } from './until-stopped.js';

/** `candlecast db serve` */
export async function serveDatabase(ground: Ground): Promise<number> {
  const { config, clock, log, progress, lifecycle } = ground;
  const database = await openDatabase({ url: null, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(toStop('database', () => database.stop()));
  await migrateDatabase(database.url, log, progress);
  await startJobs(ground, database.url);
  process.stdout.write(`DATABASE_URL=${database.url}\n`);
  return untilStopped(ground, endedByItself(database.exited, lifecycle));
}

/** `candlecast db migrate` */
export async function migrate(ground: Ground): Promise<undefined> {
  const { config, log, progress } = ground;
  const url = await reachDatabase(ground, config.timescaleUrl);
  const applied = await migrateDatabase(url, log, progress);
  process.stdout.write(applied === 0 ? 'The schema is up to date.\n' : `${applied} migrations applied.\n`);
}

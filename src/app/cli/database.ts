import { toStop } from '../around.js';
import { endedByItself, migrateDatabase, type OpenDatabase, openDatabase } from '../database.js';
import { startJobs } from '../store.js';
import type { Ground } from './run.js';
import { untilStopped } from './until-stopped.js';

/** `candlecast db serve` */
export async function serveDatabase(ground: Ground): Promise<number> {
  const { log, progress, lifecycle } = ground;
  const database = await openUntilEnd(ground, null);
  await migrateDatabase(database.url, log, progress);
  await startJobs(ground, database.url);
  process.stdout.write(`DATABASE_URL=${database.url}\n`);
  return untilStopped(ground, endedByItself(database.exited, lifecycle));
}

/** `candlecast db migrate` */
export async function migrate(ground: Ground): Promise<undefined> {
  const { config, log, progress } = ground;
  const database = await openUntilEnd(ground, config.timescaleUrl);
  const applied = await migrateDatabase(database.url, log, progress);
  process.stdout.write(applied === 0 ? 'The schema is up to date.\n' : `${applied} migrations applied.\n`);
}

/** The database for as long as the command runs. @param url null = the embedded engine. @throws UserError */
export async function openUntilEnd(
  { config, clock, log, progress, lifecycle }: Ground,
  url: string | null,
): Promise<OpenDatabase> {
  const database = await openDatabase({ url, dataDir: config.dataDir, clock, log, progress });
  await lifecycle.start(toStop('database', () => database.stop()));
  return database;
}

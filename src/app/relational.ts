import { openPool, type Pool } from '../store/relational.js';
import { type Around, toStop } from './around.js';
import { migrateDatabase } from './database.js';

/** The relational database with its schema. @throws UserError */
export async function openRelational({ log, lifecycle, progress }: Around, url: string): Promise<Pool> {
  await migrateDatabase(url, log, progress, 'postgres');
  const pool = openPool({ url, log });
  await lifecycle.start(toStop('relational database', () => pool.close()));
  return pool;
}

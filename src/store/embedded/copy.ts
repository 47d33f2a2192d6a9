import { constants } from 'node:fs';
import { cp } from 'node:fs/promises';
import postgres from 'postgres';
import type { Clock } from '../../kit/clock.js';
import { postgresOptions } from './start.js';

/** A transaction in which nothing happens is ended after a minute. */
const SIGN_OF_LIFE_MS = 10_000;

/**
 * Copies the files of the embedded database that is served at `url`. Meanwhile nothing is written to it: a transaction has its one
 * backend for itself, and whoever else wants something waits. What is committed is in the copy.
 */
export async function copyDatabase(url: string, from: string, to: string, clock: Clock): Promise<void> {
  const sql = postgres(url, { ...postgresOptions(url), max: 1, onnotice: () => {} });
  try {
    await sql`CHECKPOINT`;
    await sql.begin(async (transaction) => {
      await transaction`SELECT 1`;
      let failure: unknown = null;
      const stop = clock.every(SIGN_OF_LIFE_MS, () => {
        transaction`SELECT 1`.catch((error: unknown) => {
          failure = error;
        });
      });
      try {
        await cp(from, to, { recursive: true, errorOnExist: true, force: false, mode: constants.COPYFILE_FICLONE });
      } finally {
        stop();
      }
      // Whether it was ours all the time.
      await transaction`SELECT 1`;
      if (failure !== null) throw failure;
    });
  } finally {
    await sql.end({ timeout: 1 });
  }
}

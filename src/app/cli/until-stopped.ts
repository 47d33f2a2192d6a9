import type { Log } from '../../kit/log.js';
import { onSignals } from '../../ops/lifecycle.js';
import { isWorker, primaryGone } from '../worker.js';
import { EXIT_FAILURE, EXIT_OK } from './exit.js';
import type { Ground } from './run.js';

/** Resolves with the exit code when the process was told to stop and everything is stopped; rejects when a part failed. */
export async function untilStopped({ lifecycle, log, clock }: Ground, failed: Promise<never>): Promise<number> {
  const asked = new Promise<void>((resolve) => {
    onSignals(
      clock,
      (signal) => {
        log.info({ signal }, 'stopping');
        resolve();
      },
      () => process.exit(EXIT_FAILURE),
    );
  });
  await Promise.race([asked, failed, ...(isWorker ? [orphaned(log)] : [])]);
  if (await lifecycle.stop()) return EXIT_OK;
  log.warn({}, 'not everything stopped in time; what was acknowledged is on disk');
  return EXIT_FAILURE;
}

async function orphaned(log: Log): Promise<void> {
  await primaryGone();
  log.error({}, 'the process that started this worker is gone; stopping');
}

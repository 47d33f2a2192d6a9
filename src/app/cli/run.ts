import { loadConfig } from '../../config/config.js';
import { parseFeeds } from '../../feed/spec.js';
import { systemClock } from '../../kit/clock.js';
import { UserError } from '../../kit/errors.js';
import { Lifecycle } from '../../ops/lifecycle.js';
import { createLog } from '../../ops/log.js';
import { ProgressLines } from '../../ops/progress.js';
import type { Around } from '../around.js';
import { isWorker, tellPrimary } from '../worker.js';
import { EXIT_FAILURE, EXIT_OK, EXIT_USER } from './exit.js';

/** What commands are run with. Standard output is for what they answer; log and progress go to standard error. */
export type Ground = Around;

/** Runs a command to its end, and the process with it; errors meant for the operator are printed without a stack. */
export async function run(work: (ground: Ground) => Promise<number | undefined>): Promise<never> {
  try {
    const ground = openGround();
    const code = await work(ground).finally(() => ground.lifecycle.stop());
    process.exit(code ?? EXIT_OK);
  } catch (error) {
    process.exit(await report(error));
  }
}

/** @throws UserError */
function openGround(): Ground {
  const config = loadConfig(parseFeeds);
  const terminal = process.stderr.isTTY === true;
  const log = createLog(config.logLevel, terminal, isWorker ? { workerPid: process.pid } : null);
  if (!isWorker) for (const warning of config.warnings) log.warn({}, warning);
  const progress = new ProgressLines(systemClock, (text) => process.stderr.write(text), terminal);
  return { config, clock: systemClock, log, progress, lifecycle: new Lifecycle(systemClock, log) };
}

/** A worker's primary says it once for all of them. @returns the exit code. */
async function report(error: unknown): Promise<number> {
  const isMistake = error instanceof UserError;
  if (isMistake && isWorker) await tellPrimary({ kind: 'mistake', text: error.message });
  else {
    const text = isMistake ? error.message : ((error as Error).stack ?? String(error));
    process.stderr.write(`candlecast: ${text}\n`);
  }
  return isMistake ? EXIT_USER : EXIT_FAILURE;
}

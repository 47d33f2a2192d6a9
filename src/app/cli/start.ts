import { onSignals } from '../../ops/lifecycle.js';
import { requireFreePort } from '../port.js';
import { isWorker, tellPrimary } from '../worker.js';
import { Workers } from '../workers.js';
import { EXIT_FAILURE, EXIT_OK } from './exit.js';
import type { Ground } from './run.js';
import { untilStopped } from './until-stopped.js';

/** `candlecast start` */
export async function start(ground: Ground): Promise<number> {
  const { config } = ground;
  if (config.workers > 1 && !isWorker) return superviseWorkers(ground);
  // The primary of the workers serves nobody itself.
  const { startServer } = await import('../server.js');
  const { port, failed } = await startServer(ground);
  const stopped = untilStopped(ground, failed);
  if (isWorker) await tellPrimary({ kind: 'ready' });
  else sayReady(config.host, port);
  return stopped;
}

function sayReady(host: string, port: number): void {
  process.stdout.write(`Candlecast is ready: http://${host.includes(':') ? `[${host}]` : host}:${port}/\n`);
}

/** @returns the exit code, when a signal has stopped them all. @throws UserError */
async function superviseWorkers({ config, clock, log }: Ground): Promise<number> {
  const port = await requireFreePort(config.host, config.port);
  const workers = new Workers({ count: config.workers, port, clock, log });
  const stopped = new Promise<boolean>((resolve) => {
    onSignals(
      clock,
      (signal) => {
        log.info({ signal }, 'stopping the workers');
        resolve(workers.stop(signal));
      },
      () => {
        workers.kill();
        process.exit(EXIT_FAILURE);
      },
    );
  });
  const started = workers.start().then(() => sayReady(config.host, port));
  return (await Promise.race([stopped, started.then(() => stopped)])) ? EXIT_OK : EXIT_FAILURE;
}

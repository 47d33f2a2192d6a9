import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFailed } from 'vitest';
import type { Cluster } from './cluster.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const LOGS = join(ROOT, 'node_modules', '.cache', 'candlecast', 'fault-logs');
const LAST_LINES = 40;

/** `npm run test:faults` runs every scenario in full, `npm test` short versions of some of them. */
export const full = process.env.FAULTS === 'full';

/** SEED repeats a run as far as the machine lets it. */
export const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

/** How often something is done. FAULTS_COUNT overrides it. */
export function times(short: number, long: number): number {
  return Number(process.env.FAULTS_COUNT ?? (full ? long : short));
}

/** Prints the seed and the last log lines of every process when the test fails; the whole logs are kept beside. */
export function explainFailure(name: string, cluster: () => Cluster | undefined): void {
  onTestFailed(async () => {
    const logs = cluster()?.logs() ?? [];
    const directory = join(LOGS, name);
    await mkdir(directory, { recursive: true });
    process.stderr.write(`\n${name}: SEED=${seed}; logs: ${directory}\n`);
    for (const [process_, text] of logs) {
      await writeFile(join(directory, `${process_}.log`), text);
      const tail = text.trim().split('\n').slice(-LAST_LINES).join('\n');
      process.stderr.write(`\n--- ${process_}\n${tail}\n`);
    }
  });
}

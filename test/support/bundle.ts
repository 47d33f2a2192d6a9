import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { onTestFinished } from 'vitest';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/candlecast', import.meta.url));

/** A program of the tests as one file of JavaScript, for the running test: it starts ten times as quickly as the source by tsx. */
export async function bundled(entry: string): Promise<string> {
  await mkdir(CACHE, { recursive: true });
  const directory = await mkdtemp(join(CACHE, 'child-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const outfile = join(directory, `${basename(entry, '.ts')}.mjs`);
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    logLevel: 'warning',
  });
  return outfile;
}

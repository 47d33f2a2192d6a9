/**
 * `run-plants.ts [name …]`: builds the server with one planted bug after the other and runs the smallest scenario that
 * must notice it. Exit code 1 when one stays green. `none` is the server as it is, which must stay green in all of them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REHEARSALS } from '../../../vitest.config.js';
import { PLANTS, type Plant } from '../plants.js';
import { buildEdited } from './build.js';

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))));
const LOGS = join(ROOT, 'node_modules', '.cache', 'candlecast', 'plant-logs');
interface Run {
  readonly code: number | null;
  readonly output: string;
  readonly seconds: number;
}

async function scenario({ name, scenario: file, only }: Plant, dist: string): Promise<Run> {
  const isFault = file.startsWith('test/faults/') || REHEARSALS.includes(file);
  const which = isFault ? ['--config', 'vitest.faults.config.ts'] : ['--project', 'behaviour'];
  const args = ['node_modules/vitest/vitest.mjs', 'run', ...which, file];
  if (only !== undefined) args.push('-t', only);
  const started = performance.now();
  const env = { ...process.env, CANDLECAST_DIST: dist, FAULTS: 'short', NO_COLOR: '1' };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  await writeFile(join(LOGS, `${name}.log`), output);
  return { code, output, seconds: Math.round((performance.now() - started) / 1000) };
}

/** What vitest says below the first failed test, and the first difference it shows. */
function firstFailure(output: string): string {
  const failed = output.slice(Math.max(0, output.indexOf('Failed Tests')));
  const line = /^(\w*Error: .*)$/m.exec(failed)?.[1] ?? '';
  const detail = /^\s*\+\s+"(.{0,140})/m.exec(failed)?.[1] ?? '';
  return `${line.slice(0, 160)} ${detail}`.trim();
}

/** The server as it is, in every scenario that a plant is looked for in. */
async function control(): Promise<number> {
  const dist = await buildEdited('none', []);
  let wrong = 0;
  const seen = new Set<string>();
  for (const plant of PLANTS) {
    const key = `${plant.scenario} ${plant.only ?? ''}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const { code, output, seconds } = await scenario({ ...plant, name: 'none' }, dist);
    if (code !== 0) wrong++;
    process.stdout.write(
      `${code === 0 ? 'green' : 'RED  '} no plant in ${key} (${seconds} s) ${code === 0 ? '' : firstFailure(output)}\n`,
    );
  }
  return wrong;
}

const asked = process.argv.slice(2);
const chosen = PLANTS.filter(({ name }) => asked.length === 0 || asked.includes(name));
await mkdir(LOGS, { recursive: true });
let wrong = asked.length === 0 || asked.includes('none') ? await control() : 0;
for (const plant of chosen) {
  const dist = await buildEdited(plant.name, plant.edits);
  const { code, output, seconds } = await scenario(plant, dist);
  const noticed = code !== 0;
  if (!noticed) wrong++;
  process.stdout.write(
    `${noticed ? 'red  ' : 'GREEN'} ${plant.name} (${seconds} s): ${noticed ? firstFailure(output) : 'not noticed'}\n`,
  );
}
process.stdout.write(wrong === 0 ? 'Every planted bug was noticed.\n' : `${wrong} wrong; logs in ${LOGS}\n`);
process.exit(wrong === 0 ? 0 : 1);

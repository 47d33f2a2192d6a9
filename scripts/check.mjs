// npm run check: types, lint, format and the architecture test.
import { spawnSync } from 'node:child_process';
import { ensureDependencies, root } from './setup.mjs';

await ensureDependencies();
const steps = [
  ['types', 'node_modules/typescript/bin/tsc', '-p', '.'],
  ['types of the pages', 'node_modules/typescript/bin/tsc', '-p', 'src/web', '--noEmit'],
  ['lint and format', 'node_modules/@biomejs/biome/bin/biome', 'check'],
  ['architecture', 'node_modules/vitest/vitest.mjs', 'run', '--project', 'architecture'],
];
let failed = 0;
for (const [name, ...command] of steps) {
  const done = spawnSync(process.execPath, command, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8' });
  process.stdout.write(`${done.status === 0 ? 'ok  ' : 'FAIL'} ${name}\n`);
  if (done.status === 0) continue;
  failed += 1;
  process.stdout.write(done.stdout + done.stderr);
}
process.exit(failed === 0 ? 0 : 1);

// npm test: installs and builds what is missing, then checks and tests.
import { spawnSync } from 'node:child_process';
import { ensureBuild, ensureDependencies, ensureSystemPackages, root } from './setup.mjs';

await ensureDependencies();
await ensureSystemPackages();
await ensureBuild();
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const checked = run('scripts/check.mjs');
const tested = run('node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2));
process.exit(checked || tested);

// npm run test:faults [scenario …]: the whole fault suite. --plants [name …]: every planted bug must turn it red.
// --short: each in its short version, as some of them run in npm test. SEED=n repeats a run.
import { spawnSync } from 'node:child_process';
import { ensureBuild, ensureDependencies, ensureSystemPackages, root } from './setup.mjs';

const flags = process.argv.slice(2).filter((word) => word.startsWith('--'));
const names = process.argv.slice(2).filter((word) => !word.startsWith('--'));
await ensureDependencies();
await ensureSystemPackages();
await ensureBuild();
const run = (...args) => spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status ?? 1;
const vitest = ['node_modules/vitest/vitest.mjs', 'run'];
if (flags.includes('--plants')) process.exit(run('--import', 'tsx', 'test/faults/kit/run-plants.ts', ...names));
const files = names.map((name) => `test/faults/${name}`);
if (flags.includes('--short')) process.env.FAULTS = 'short';
process.exit(run(...vitest, '--config', 'vitest.faults.config.ts', ...files));

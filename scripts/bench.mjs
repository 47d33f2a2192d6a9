// npm run bench [name …]: one after the other, each in processes of its own. Wants a machine with nothing else to do.
import { spawnSync } from 'node:child_process';
import { ensureBuild, ensureDependencies, ensureSystemPackages, fail, root } from './setup.mjs';

const BENCHES = {
  engine: 'bench/engine.ts',
  persist: 'bench/persist.ts',
  fanout: 'bench/fanout/run.ts',
  latency: 'bench/latency.ts',
  cluster: 'bench/cluster.ts',
  rules: 'bench/rules.ts',
  signals: 'bench/signals.ts',
  replay: 'bench/replay.ts',
  users: 'bench/users.ts',
  binance: 'bench/binance.ts',
  sdk: 'bench/sdk.ts',
  analytics: 'bench/analytics.ts',
  'analytics-queries': 'bench/analytics/queries.ts',
  start: 'bench/start.ts',
};

const asked = process.argv.slice(2).filter((name) => !name.startsWith('-'));
const unknown = asked.filter((name) => !(name in BENCHES));
if (unknown.length > 0) fail(`No such bench: ${unknown.join(', ')}. There are ${Object.keys(BENCHES).join(', ')}.`);
await ensureDependencies();
await ensureSystemPackages();
await ensureBuild();
let failed = 0;
for (const name of asked.length > 0 ? asked : Object.keys(BENCHES)) {
  process.stdout.write(`\n== ${name}\n`);
  const done = spawnSync(process.execPath, ['--import', 'tsx', BENCHES[name]], { cwd: root, stdio: 'inherit' });
  if (done.status !== 0) failed += 1;
}
process.exit(failed === 0 ? 0 : 1);

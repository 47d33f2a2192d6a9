// What the npm scripts need before they can run; plain Node, since nothing may be installed yet.
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const OLDEST_NODE = [20, 15];

/** Says what is under way, and how long it took when it was longer than a second. */
export async function step(what, run) {
  const started = performance.now();
  process.stderr.write(`${what} …\n`);
  const result = await run();
  const seconds = (performance.now() - started) / 1000;
  if (seconds > 1) process.stderr.write(`${what}: done in ${seconds.toFixed(1)} s\n`);
  return result;
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
    fail(`Node.js ${OLDEST_NODE.join('.')} or newer is needed; this is ${process.versions.node}.`);
  }
}

function stampOf(file) {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

function isStale(stampFile, stamp) {
  return !existsSync(stampFile) || readFileSync(stampFile, 'utf8') !== stamp;
}

export async function ensureDependencies() {
  checkNode();
  const stampFile = join(root, 'node_modules', '.candlecast-stamp');
  const stamp = stampOf(join(root, 'package-lock.json'));
  if (!isStale(stampFile, stamp)) return;
  await step('Installing dependencies (once)', () => {
    const done = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    if (done.status !== 0) fail(`npm ci failed:\n${done.stderr}`);
  });
  writeFileSync(stampFile, stamp);
}

function newest(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(stat.mtimeMs, ...readdirSync(path).map((name) => newest(join(path, name))));
}

export async function ensureBuild() {
  const stampFile = join(root, 'dist', '.stamp');
  const stamp = String(
    Math.max(newest(join(root, 'src')), newest(join(root, 'scripts')), newest(join(root, 'package-lock.json'))),
  );
  if (!isStale(stampFile, stamp)) return;
  const { buildAll } = await import('./build.mjs');
  await step('Building', buildAll);
  mkdirSync(dirname(stampFile), { recursive: true });
  writeFileSync(stampFile, stamp);
}

function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.some((name) => folders.some((folder) => existsSync(join(folder, name))));
}

function postgresInstalled() {
  if (onPath(['initdb', 'pg_ctl'])) return true;
  const base = '/usr/lib/postgresql';
  return existsSync(base) && readdirSync(base).some((version) => existsSync(join(base, version, 'bin', 'initdb')));
}

/** System packages that the tests use, installed from Debian's archive where that is possible. */
export async function ensureSystemPackages() {
  const missing = [];
  if (!onPath(['chromium', 'chromium-browser', 'google-chrome'])) missing.push('chromium');
  if (!postgresInstalled()) missing.push('postgresql');
  // The package starts a server of its own where there is an init system; the tests start theirs on other ports.
  if (!onPath(['redis-server']) || !onPath(['redis-cli'])) missing.push('redis-server');
  if (!onPath(['haproxy']) && !existsSync('/usr/sbin/haproxy')) missing.push('haproxy');
  if (missing.length === 0) return;
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const run = (...args) =>
    execFileSync([...sudo, 'apt-get'][0], [...sudo.slice(1), ...(sudo.length ? ['apt-get'] : []), ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  try {
    await step(`Installing ${missing.join(', ')} for the tests (once)`, () => {
      run('update');
      run('install', '-y', '--no-install-recommends', ...missing);
    });
  } catch (error) {
    fail(
      `The tests need ${missing.join(', ')}, and apt-get could not install it: install it by hand.\n${error.stderr ?? error.message}`,
    );
  }
}

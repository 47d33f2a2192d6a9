// From what `npm start` runs (installed and built) to the first candle on the page in Chromium: on an empty DATA_DIR and on one
// with the demo's two days in it. Medians of five; what takes longer than a second the server itself says.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { launchBrowser } from '../test/web/browser.js';
import { median } from './support/rounds.js';

const ROUNDS = 5;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Times {
  readonly ready: number;
  readonly candle: number;
  readonly stop: number;
  /** ms by name, of what took longer than a second. */
  readonly parts: Readonly<Record<string, number>>;
}

async function start(browser: Browser, dataDir: string, port: number): Promise<Times> {
  const began = performance.now();
  const env = { ...process.env, DATA_DIR: dataDir, PORT: String(port), FEEDS: 'demo' };
  const server = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: ROOT,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let said = '';
  server.stderr.on('data', (chunk) => {
    said += String(chunk);
  });
  await new Promise<void>((resolve, reject) => {
    server.on('exit', (code) => reject(new Error(`the server ended with ${code} before it was ready:\n${said}`)));
    server.stdout.on('data', (chunk) => {
      printed += String(chunk);
      if (printed.includes('ready:')) resolve();
    });
  });
  const ready = performance.now() - began;
  const page = await browser.newPage();
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.waitForFunction(() => {
    const { candlecast } = globalThis as unknown as { candlecast?: { bars(): unknown[] } };
    return (candlecast?.bars().length ?? 0) > 0;
  });
  const candle = performance.now() - began;
  await page.close();
  const stopping = performance.now();
  server.kill('SIGINT');
  await once(server, 'exit');
  return { ready, candle, stop: performance.now() - stopping, parts: partsOf(said) };
}

function partsOf(said: string): Record<string, number> {
  const lines = said.matchAll(/^(.*): done in ([\d.]+) s$/gm);
  return Object.fromEntries([...lines].map(([, what = '', seconds]) => [what, Number(seconds) * 1000]));
}

const browser = await launchBrowser();
const first: Times[] = [];
const again: Times[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const dataDir = await mkdtemp(join(tmpdir(), 'candlecast-bench-'));
  first.push(await start(browser, dataDir, 18_700));
  again.push(await start(browser, dataDir, 18_700));
  await rm(dataDir, { recursive: true, force: true });
}
await browser.close();
for (const [name, times] of Object.entries({ 'first start': first, 'second start': again })) {
  const column = (pick: (time: Times) => number) => `${(median(times.map(pick)) / 1000).toFixed(2)} s`;
  process.stdout.write(
    `${name.padEnd(13)} ready ${column((t) => t.ready)}, first candle on the page ${column((t) => t.candle)}, stopped ${column((t) => t.stop)} after SIGINT\n`,
  );
  for (const part of new Set(times.flatMap((time) => Object.keys(time.parts)))) {
    const took = times.flatMap((time) => time.parts[part] ?? []);
    process.stdout.write(`  ${part}: ${(median(took) / 1000).toFixed(1)} s (${took.length} of ${times.length})\n`);
  }
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify({ title: 'start', first, again })}\n`);

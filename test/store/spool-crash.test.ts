import { execFileSync, spawn } from 'node:child_process';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { SpoolWriteError } from '../../src/store/spool/errors.js';
import { bundled } from '../support/bundle.js';
import { minute, minutes, openSpool, pendingOf, temporaryDirectory } from './spool-support.js';

const CHILD = fileURLToPath(new URL('./spool-child.ts', import.meta.url));
const KILLS = 20;

interface Run {
  /** Numbers the child said to be durable. */
  readonly acknowledged: number[];
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

/** Runs the bundled child until it ends by itself, or kills it when it has acknowledged `killAfter` minutes. */
function runChild(program: string, args: readonly string[], killAfter: number, shellPrefix = ''): Promise<Run> {
  const command = [process.execPath, program, ...args].map((word) => `'${word}'`).join(' ');
  const child = spawn('bash', ['-c', `${shellPrefix}exec ${command}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let stderr = '';
  let lines = 0;
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdout.on('data', (bytes: Buffer) => {
    const text = bytes.toString();
    out += text;
    lines += text.split('\n').length - 1;
    if (lines >= killAfter) child.kill('SIGKILL');
  });
  return new Promise((resolve) => {
    child.on('close', (_code, signal) => {
      const acknowledged = out
        .slice(0, out.lastIndexOf('\n') + 1)
        .split('\n')
        .filter(Boolean)
        .map(Number);
      resolve({ acknowledged, signal, stderr });
    });
  });
}

async function storedNumbers(directory: string): Promise<Set<number>> {
  const spool = await openSpool(directory);
  const stored = await pendingOf(spool);
  await spool.stop();
  const numbers = new Set<number>();
  for (const record of stored) {
    if (record.kind !== 'candle' || record.candle.firstTradeId === null) throw new Error('not a minute');
    const n = record.candle.firstTradeId / 3;
    expect(record).toEqual(minute(n));
    numbers.add(n);
  }
  return numbers;
}

test(`everything acknowledged is there after each of ${KILLS} kills`, { timeout: 120_000 }, async () => {
  const directory = await temporaryDirectory();
  const program = await bundled(CHILD);
  const acknowledged: number[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    const run = await runChild(program, [directory, String(kill * 1_000_000)], 1 + Math.floor(Math.random() * 200));
    expect(run.signal, run.stderr).toBe('SIGKILL');
    acknowledged.push(...run.acknowledged);
  }
  const stored = await storedNumbers(directory);
  expect(acknowledged.filter((n) => !stored.has(n))).toEqual([]);
  expect(acknowledged.length).toBeGreaterThan(KILLS);
});

test('where a file may not grow the append fails, and all that was acknowledged stays', async () => {
  const directory = await temporaryDirectory();
  // The shell counts in KiB; the limit cuts a write in the middle of a frame.
  const run = await runChild(
    await bundled(CHILD),
    [directory, '0', '1000000'],
    Number.POSITIVE_INFINITY,
    'ulimit -f 50; ',
  );
  expect(run.stderr).toContain('EFBIG');
  expect(run.acknowledged.length).toBeGreaterThan(100);
  const stored = await storedNumbers(directory);
  expect(run.acknowledged.filter((n) => !stored.has(n))).toEqual([]);
});

/** A file system of 256 KiB, where this user may mount one. */
function tinyFileSystem(directory: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    return false;
  }
  onTestFinished(() => void execFileSync('umount', ['-l', directory]));
  return true;
}

test('a full disk fails the append, cuts its remains off, and takes more when there is room', async (context) => {
  const directory = await temporaryDirectory();
  if (!tinyFileSystem(directory)) return context.skip('mounting a small file system is not permitted here');
  const spool = await openSpool(directory);
  await spool.append(minutes(0, 10));
  const ballast = join(directory, 'ballast');
  await writeFile(ballast, Buffer.alloc(240 * 1024)).catch(() => undefined);
  const failed = await spool.append(minutes(10, 2000)).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(SpoolWriteError);
  expect((failed as SpoolWriteError).cause).toMatchObject({ code: 'ENOSPC' });
  expect(await pendingOf(spool)).toEqual(minutes(0, 10));
  await expect(spool.append(minutes(10, 2000))).rejects.toThrow(SpoolWriteError);
  await rm(ballast);
  await spool.append(minutes(5000, 10));
  expect(await pendingOf(spool)).toEqual([...minutes(0, 10), ...minutes(5000, 10)]);
  expect(spool.stats()).toMatchObject({ recordsBehind: 20 });
  await spool.stop();
  expect(await pendingOf(await openSpool(directory))).toEqual([...minutes(0, 10), ...minutes(5000, 10)]);
});

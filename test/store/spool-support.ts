import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../src/kit/clock.js';
import { silentLog } from '../../src/kit/log.js';
import type { SpoolRecord } from '../../src/store/spool/record.js';
import { Spool, type SpoolOptions } from '../../src/store/spool/spool.js';

export { minute, minutes, T0 } from './spool-records.js';

export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'candlecast-spool-'));
  onTestFinished(async () => await rm(directory, { recursive: true, force: true, maxRetries: 5 }));
  return directory;
}

export async function openSpool(directory: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const spool = new Spool({ directory, clock: systemClock, log: silentLog, ...options });
  await spool.start();
  onTestFinished(async () => await spool.stop().catch(() => undefined));
  return spool;
}

export async function pendingOf(spool: Spool): Promise<SpoolRecord[]> {
  const records: SpoolRecord[] = [];
  for await (const record of spool.readPending()) records.push(record);
  return records;
}

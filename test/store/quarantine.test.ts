import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { quarantine } from '../../src/store/timescale/quarantine.js';
import { minute } from './spool-records.js';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'candlecast-quarantine-'));
});
afterEach(() => rm(directory, { recursive: true, force: true, maxRetries: 5 }));

it('makes the directory with the first record, and adds the next ones', async () => {
  const place = join(directory, 'data', 'quarantine');
  for (const count of [1, 2]) {
    const path = await quarantine(place, [minute(count)], () => 'refused');
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line))).toHaveLength(count);
    expect(JSON.parse(lines.at(-1) ?? '')).toEqual({ reason: 'refused', ...minute(count) });
  }
});

import { readdirSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files share a worker's modules, none of which keeps state between them: a fifth of the CPU time of small files is importing. */
const shared = { testTimeout: 150_000, hookTimeout: 120_000, isolate: false };

/** Faults of which a short version runs here; `npm run test:faults` runs all of them, in full. */
const SHORT = ['oracle', 'plants', 'proxy', 'signals', 'together'];
const long = readdirSync('test/faults').filter(
  (file) => file.endsWith('.test.ts') && !SHORT.includes(file.slice(0, -'.test.ts'.length)),
);

/** What takes long for what it proves beside the rest: with the faults. */
export const REHEARSALS = [
  'test/analytics/keeping.test.ts',
  'test/app/analytics-rehearsal.test.ts',
  'test/app/backup.test.ts',
  'test/app/full-disk.test.ts',
  'test/cluster/chaos.test.ts',
  'test/cluster/processes.test.ts',
  'test/cluster/redis-faults.test.ts',
  'test/store/embedded-address.test.ts',
  'test/store/embedded-process.test.ts',
];

/** What takes longest, most of it waiting: begun first, so that nobody waits for one of them at the end. */
const LONGEST = [
  'test/faults/together.test.ts',
  'test/web/features.test.ts',
  'test/analytics/fill.test.ts',
  'test/web/page.test.ts',
  'test/app/analytics.test.ts',
  'test/app/workers.test.ts',
  'test/client/server.test.ts',
  'test/feed/venues/scripts.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((file) => moduleId.endsWith(file));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

export default defineConfig({
  test: {
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      { test: { ...shared, name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
      {
        test: {
          ...shared,
          name: 'behaviour',
          include: ['test/**/*.test.ts'],
          exclude: ['test/architecture/**', ...REHEARSALS, ...long.map((file) => `test/faults/${file}`)],
        },
      },
    ],
  },
});

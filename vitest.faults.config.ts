import { defineConfig } from 'vitest/config';
import { REHEARSALS } from './vitest.config.js';

/** The fault suite, in full unless FAULTS says otherwise: one scenario after the other, on a machine with nothing else to do. */
export default defineConfig({
  test: {
    name: 'faults',
    include: ['test/faults/**/*.test.ts', 'test/project/{balancer,image}.test.ts', ...REHEARSALS],
    env: { FAULTS: process.env.FAULTS ?? 'full' },
    fileParallelism: false,
    testTimeout: 150_000,
    hookTimeout: 120_000,
  },
});

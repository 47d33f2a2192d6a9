import { defineConfig } from 'vitest/config';

const shared = { testTimeout: 150_000, hookTimeout: 120_000 };

export default defineConfig({
  test: {
    maxWorkers: 3,
    projects: [
      { test: { ...shared, name: 'architecture', include: ['test/architecture/**/*.test.ts'] } },
      { test: { ...shared, name: 'behaviour', include: ['test/**/*.test.ts'], exclude: ['test/architecture/**'] } },
    ],
  },
});

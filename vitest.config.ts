import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/**
 * The suites, by what they need: `unit` needs nothing, `contracts` needs forge, `e2e` starts whole houses,
 * `bench` measures. `npm test` runs the first three.
 */
const node = { environment: 'node' as const, pool: 'forks' as const }

export default defineConfig({
  test: {
    reporters: ['default', './scripts/closingLine.ts'],
    projects: [
      {
        test: {
          ...node,
          name: 'unit',
          // many wait for blocks or a database; vitest itself would leave a processor idle, and on two run one file at a time
          maxWorkers: availableParallelism() + 1,
          sequence: { groupOrder: 0 },
          include: [
            'packages/*/src/**/*.test.ts',
            'packages/*/test/**/*.test.ts',
            'apps/{server,cli}/**/*.test.ts',
            'apps/web/src/**/*.test.ts',
            'scripts/**/*.test.ts',
            'claims/**/*.test.ts',
          ],
          exclude: ['**/node_modules/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          ...node,
          name: 'contracts',
          sequence: { groupOrder: 1 },
          include: ['contracts/test/*.test.ts'],
          testTimeout: 600_000,
        },
      },
      {
        test: {
          ...node,
          name: 'e2e',
          sequence: { groupOrder: 2 },
          include: ['e2e/**/*.test.ts'],
          globalSetup: ['e2e/globalSetup.ts'],
          setupFiles: ['e2e/untilSeeded.setup.ts'],
          fileParallelism: false,
          testTimeout: 900_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          ...node,
          name: 'bench',
          sequence: { groupOrder: 3 },
          include: ['packages/*/src/**/*.bench.ts', 'contracts/**/*.bench.ts', 'e2e/**/*.bench.ts'],
          fileParallelism: false,
          testTimeout: 600_000,
        },
      },
    ],
  },
})

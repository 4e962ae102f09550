import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "test/*.test.ts",
            "test/contract/**/*.test.ts",
            "test/examples/**/*.test.ts",
          ],
          testTimeout: 20_000,
          // No module keeps state, so files may share the modules they load: half of the time was loading.
          isolate: false,
          pool: "threads",
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // Most of a file's time goes into waiting for the processes that it starts.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "cluster",
          include: ["test/cluster/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          // Each file has an API server of its own, which waits most of its time.
          maxWorkers: 2,
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 300_000,
          // Real Envoys and loads: more files at a time would starve each other on 2 cores.
          maxWorkers: 2,
        },
      },
    ],
  },
});

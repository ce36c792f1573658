/** npm run test:servers: sces between real servers out of Debian's packages. Not part of npm test. */
import { join } from "node:path";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/real/**/*.test.ts"],
    pool: "forks",
    maxWorkers: 1,
    testTimeout: 30_000,
    hookTimeout: 120_000, // the first run downloads packages
    globalSetup: join(import.meta.dirname, "say-what-is-missing.ts"),
  },
});

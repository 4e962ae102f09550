const works = new Set<() => void>();

function runAll(): void {
  for (const work of works) work();
  works.clear();
}

process.once("exit", runAll);
// vitest ends the processes of its test files with this signal, which alone is no "exit".
process.once("SIGTERM", () => process.exit());

/** Runs when this process ends in whatever way it can notice, so that a test that dies cleans up. */
export function atExit(work: () => void): void {
  works.add(work);
}

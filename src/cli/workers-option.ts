import { availableParallelism } from "node:os";
import { UsageError } from "./command.ts";

/** More threads than any machine has CPUs to spare for them: the main thread decides for about ten. */
const workersMax = 64;

/** Number of threads for `--workers`: a count, or `auto` for one less than the CPUs that the process may use. */
export function workersOf(text: string, cpus = availableParallelism()): number {
  if (text === "auto") return Math.min(Math.max(cpus - 1, 1), workersMax);
  const count = Number(text);
  if (/^\d+$/u.test(text) && count >= 1 && count <= workersMax) return count;
  throw new UsageError([
    `invalid argument ${JSON.stringify(text)} for --workers: want a number from 1 to ${workersMax}, or auto`,
  ]);
}

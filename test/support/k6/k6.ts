import { record } from "./record.ts";

/** k6's `check`: every named condition counts, and all have to hold. */
export function check<Value>(
  value: Value,
  conditions: Readonly<Record<string, (value: Value) => boolean>>,
): boolean {
  const results = Object.entries(conditions).map(([name, holds]) => {
    const isPassed = holds(value);
    record.checks.push({ name, isPassed });
    return isPassed;
  });
  return results.every(Boolean);
}

/** Takes no time. */
export function sleep(seconds: number): void {
  record.sleptSeconds += seconds;
}

/** A line for the person at the terminal; results go to the standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** The number that a flag gives; throws if it is not above 0, or above `max`. */
export function numberOf(name: string, text: string, max: number): number {
  const number = Number(text);
  if (number > 0 && number <= max) return number;
  throw new Error(`--${name}: must be a number above 0, up to ${max}, got ${text}`);
}

/** Runs a program to its end; if it fails, prints why and sets the exit code. */
export async function runProgram(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (cause) {
    say(cause instanceof Error ? cause.message : String(cause));
    process.exitCode = 1;
  }
}

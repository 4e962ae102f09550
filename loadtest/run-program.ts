/** A line for the person at the terminal; results go to the standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
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

import { reasonOf } from "../std/reason-of.ts";

/** Input of a command from the process. */
export interface CommandContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Aborts on the first SIGTERM or SIGINT, with the signal's name as its reason. */
  readonly stop: AbortSignal;
  /** Aborts on the second one: end at once, without draining. */
  readonly cut: AbortSignal;
}

/** Runs a command; resolves to the exit code. */
export interface Command {
  run(context: CommandContext): Promise<number>;
}

/**
 * An error of the operator, such as a wrong flag. `lines` describe it; the command ends with exit
 * code 1.
 */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}

/** Lines that the operator sees when a command fails. */
export function failureLinesOf(cause: unknown): readonly string[] {
  return cause instanceof UsageError ? cause.lines : [reasonOf(cause)];
}

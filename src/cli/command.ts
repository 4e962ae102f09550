import { reasonOf } from "../std/reason-of.ts";

/** Input of a command from the process. */
export interface CommandContext {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Aborts on the first SIGTERM or SIGINT, with the signal's name as its reason. */
  readonly stop: AbortSignal;
  /** Aborts on the second one: no more patience. */
  readonly cut: AbortSignal;
}

/** Runs a command; resolves to the exit code. */
export interface Command {
  run(context: CommandContext): Promise<number>;
}

/** Something the operator got wrong; `lines` say what, and the command ends with exit code 1. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join("\n"));
    this.lines = lines;
  }
}

/** What the operator reads of a command that failed. */
export function failureLinesOf(cause: unknown): readonly string[] {
  return cause instanceof UsageError ? cause.lines : [reasonOf(cause)];
}

import { spawn } from "node:child_process";

/** Characters at the end of a program's errors that are kept, and of the line that is passed on. */
const errorCharactersMax = 2_000;
const reasonCharactersMax = 300;

export interface ProgramContext {
  /** Environment of the program; its `PATH` is searched for it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Ends the program. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs a program to its end; resolves to the last line of its errors if it fails, otherwise to undefined. */
export function programFailure(
  program: string,
  argv: readonly string[],
  { env, signal }: ProgramContext,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, argv, {
      stdio: ["ignore", "ignore", "pipe"],
      env,
      ...(signal === undefined ? {} : { signal }),
    });
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = `${errors}${text}`.slice(-errorCharactersMax);
    });
    child.on("error", (cause: NodeJS.ErrnoException) =>
      resolve(cause.code === "ENOENT" ? `${program} not found` : cause.message),
    );
    child.on("close", (code, killedBy) =>
      resolve(code === 0 ? undefined : reasonIn(errors) || `ended with ${code ?? killedBy}`),
    );
  });
}

/** The last line that names an error, or else the last line. */
function reasonIn(errors: string): string {
  const lines = errors.split("\n").map((line) => line.trim());
  const said = lines.filter((line) => line !== "" && !/^(?:\[notice\]|WARNING:)/u.test(line));
  const reason = said.findLast((line) => line.startsWith("ERROR:")) ?? said.at(-1) ?? "";
  return reason.slice(0, reasonCharactersMax);
}

import { died, start } from "../child.ts";
import { eventually } from "../wait.ts";
import type { Part } from "./gateway-kind.ts";
import type { PodFiles } from "./pod-files.ts";

/** Milliseconds until a program is ready, on a machine that is busy as well. */
const startTimeoutMs = 60_000;

export interface PodProcessOptions {
  readonly files: PodFiles;
  readonly line: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** For people: `istiod`. */
  readonly what: string;
  /** May throw while it is not. */
  readonly isReady: () => Promise<boolean>;
  /** Whether it has children, which it ends when it is asked to end itself, and is not hurried. */
  readonly hasChildren?: boolean;
}

/** Starts a program among the files of its pod and waits until it is ready; fails with its last words. */
export async function startInPod(options: PodProcessOptions): Promise<Part> {
  const { files, what, isReady } = options;
  const [program = "", ...argv] = files.command(options.line);
  const child = start(program, argv, options.env);
  const part = {
    async close() {
      await child.close(options.hasChildren === true ? "unhurried" : "hurried");
      files.remove();
    },
  };
  try {
    const ready = eventually(
      `${what} is ready`,
      async () => ((await isReady()) ? true : undefined),
      startTimeoutMs,
    );
    await Promise.race([ready, died(child)]);
    return part;
  } catch (cause) {
    const words = `${files.stdout()}\n${child.output()}`.slice(-4_000);
    await part.close();
    throw new Error(`no ${what} came to be:\n${words}`, { cause });
  }
}

/** Whether a page answers with a 2xx. */
export async function answers(url: string): Promise<boolean> {
  return (await fetch(url)).ok;
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { atExit } from "./at-exit.ts";

/** A process the test started, with all that it printed. */
export interface Child {
  readonly pid: number;
  readonly output: () => string;
  /** Resolves with the first line of output that matches; fails if the process ends before. */
  line(pattern: RegExp): Promise<string>;
  signal(name: NodeJS.Signals): void;
  /** Resolves to the exit code, or to the signal's name. */
  readonly ended: Promise<number | string>;
  /** Ends the process and waits for its end; unhurried, where it has children of its own to end first. */
  close(how?: "hurried" | "unhurried"): Promise<void>;
}

const running = new Set<ChildProcess>();

// A test that dies must not leave its processes behind.
atExit(() => {
  for (const child of running) child.kill("SIGKILL");
});

/** Milliseconds between the two signals that end a process. */
const hurryMs = 50;

/** Milliseconds a process gets to end in good order before it is killed. */
const patienceMs = 10_000;

/** Rejects when a child has ended, for a race with what it should do first. */
export async function died(child: Child): Promise<never> {
  throw new Error(`it ended with ${await child.ended}:\n${child.output()}`);
}

/** Starts a process of the test's own, ended by its pid. */
export function start(
  program: string,
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Child {
  const child = spawn(program, argv, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  running.add(child);
  let output = "";
  const listeners = new Set<() => void>();
  const onText = (text: string) => {
    output += text;
    for (const listener of listeners) listener();
  };
  child.stdout.setEncoding("utf8").on("data", onText);
  child.stderr.setEncoding("utf8").on("data", onText);

  let hasEnded = false;
  const ended = once(child, "close").then(([code, signal]: unknown[]) => {
    hasEnded = true;
    running.delete(child);
    for (const listener of listeners) listener();
    return typeof code === "number" ? code : String(signal);
  });

  return {
    pid: child.pid ?? -1,
    output: () => output,
    ended,
    signal: (name) => void child.kill(name),
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = output.split("\n").find((line) => pattern.test(line));
          if (found === undefined && !hasEnded) return;
          listeners.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${program} ended without printing ${pattern}:\n${output}`));
        };
        listeners.add(look);
        look();
      }),
    async close(how = "hurried") {
      if (hasEnded) return;
      child.kill("SIGTERM");
      // A second one tells a picker not to wait for anybody.
      const hurry =
        how === "hurried" ? setTimeout(() => child.kill("SIGTERM"), hurryMs) : undefined;
      const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
      await ended;
      clearTimeout(hurry);
      clearTimeout(timer);
    },
  };
}

/** Starts `pointsman` from the checkout's sources, on the Node that runs the test. */
export function startPointsman(
  argv: readonly string[],
  env: Readonly<Record<string, string>> = {},
) {
  return start(process.execPath, ["src/main.ts", ...argv], env);
}

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Clock } from "../std/clock.ts";

/** Lines of output kept of each child, to be its last words. */
const linesKeptMax = 8;

/** Characters of a line in a child's last words. */
const lineCharactersMax = 300;

/** Milliseconds between the two signals that end a child: the second asks a picker to hurry. */
const hurryMs = 50;

/** Milliseconds a child gets to end in good order before it is killed. */
const patienceMs = 3_000;

export interface ChildOptions {
  /** Name for people. */
  readonly name: string;
  readonly program: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** Hears each line of output, of both streams. */
  readonly onLine?: (line: string) => void;
  /** Lines of its everyday business, which are no last words. */
  readonly isRoutine?: (line: string) => boolean;
}

export interface Child {
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves, when the child has ended, to how and to its last words. */
  readonly ended: Promise<string>;
  /** Resolves to the first line that matches; never if no line does, so race it with `ended`. */
  line(pattern: RegExp): Promise<string>;
  /** Ends the child and waits for its end; once `cut` aborts, without patience. */
  end(cut: AbortSignal): Promise<void>;
}

/**
 * Starts a child in a session of its own: a Ctrl-C in the terminal reaches only this process,
 * which then ends its children in good order.
 */
export function startChild(options: ChildOptions): Child {
  const { name, program, argv, env, clock, onLine, isRoutine } = options;
  const child = spawn(program, argv, { stdio: ["ignore", "pipe", "pipe"], env, detached: true });
  const kept: string[] = [];
  const listeners = new Set<(line: string) => void>(onLine === undefined ? [] : [onLine]);
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      if (isRoutine?.(line) !== true) kept.push(line.slice(0, lineCharactersMax));
      if (kept.length > linesKeptMax) kept.shift();
      for (const listener of listeners) listener(line);
    });
  }
  let hasEnded = false;
  const ended = once(child, "close").then(
    ([code, signal]: unknown[]) => {
      hasEnded = true;
      return [`ended with ${String(code ?? signal)}`, ...kept].join("\n");
    },
    (cause: unknown) => {
      hasEnded = true;
      return `could not be started: ${String(cause)}`;
    },
  );
  return {
    name,
    pid: child.pid,
    ended,
    line: (pattern) =>
      new Promise((resolve) => {
        const look = (line: string) => {
          if (!pattern.test(line)) return;
          listeners.delete(look);
          resolve(line);
        };
        listeners.add(look);
      }),
    async end(cut) {
      if (hasEnded) return;
      const kill = () => void child.kill("SIGKILL");
      child.kill("SIGTERM");
      const cancels = [
        clock.after(hurryMs, () => void child.kill("SIGTERM")),
        clock.after(patienceMs, kill),
      ];
      if (cut.aborted) kill();
      cut.addEventListener("abort", kill);
      await ended;
      cut.removeEventListener("abort", kill);
      for (const cancel of cancels) cancel();
    },
  };
}

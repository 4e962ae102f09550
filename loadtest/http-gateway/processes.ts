import { readFileSync, statSync, truncateSync } from "node:fs";
import path from "node:path";
import type { Child } from "../../src/demo/child.ts";
import type { Crew } from "../../src/demo/crew.ts";

/** Kernel ticks of CPU time are hundredths of a second. */
const msPerTick = 10;

/** Characters of a log that an error shows. */
const lastWordsMax = 1_000;

/** The processes of one contestant, with those that they start themselves. */
export class Processes {
  readonly #crew: Crew;
  readonly #children: Child[] = [];
  readonly #logs: string[] = [];

  constructor(crew: Crew) {
    this.#crew = crew;
  }

  /**
   * Starts a process whose output goes to a file: a pipe into this process would cost the load's
   * time. The shell only sends it there, and becomes the program.
   */
  start(name: string, argv: readonly string[], env: Readonly<Record<string, string>> = {}): void {
    const log = path.join(this.#crew.folder, `${name}.log`);
    this.#logs.push(log);
    const inherited = Object.entries(process.env).filter(([key]) => !key.startsWith("POINTSMAN_"));
    const child = this.#crew.start({
      name,
      program: "sh",
      argv: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", log, ...argv],
      env: { ...Object.fromEntries(inherited), ...env },
    });
    this.#children.push(child);
  }

  /** Stops all until `resume`, so that they take no time from others. */
  stop(): void {
    this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
  }

  async end(): Promise<void> {
    this.resume();
    const cut = AbortSignal.timeout(3_000);
    await Promise.all(this.#children.map((child) => child.end(cut)));
  }

  /** User and system time of all so far. */
  cpuMs(): number {
    return this.#sum((pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
      return (Number(fields[11]) + Number(fields[12])) * msPerTick;
    });
  }

  /** Memory of all that is resident. */
  rssBytes(): number {
    return this.#sum((pid) => {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return Number(/^VmRSS:\s*(\d+)/m.exec(status)?.[1] ?? "0") * 1_024;
    });
  }

  /** Empties the logs: some contestants write a line for each request. */
  emptyLogs(): void {
    for (const log of this.#logs) if (statSync(log).size > 0) truncateSync(log);
  }

  /** Ends of the logs, for an error. */
  lastWords(): string {
    return this.#logs.map((log) => readFileSync(log, "utf8").slice(-lastWordsMax)).join("\n");
  }

  #signal(signal: "SIGSTOP" | "SIGCONT"): void {
    for (const pid of this.#pids()) process.kill(pid, signal);
  }

  #sum(of: (pid: number) => number): number {
    return this.#pids().reduce((sum, pid) => sum + of(pid), 0);
  }

  #pids(): readonly number[] {
    return this.#children.flatMap(({ pid }) => (pid === undefined ? [] : withDescendants(pid)));
  }
}

function withDescendants(pid: number): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  const pids = children.split(" ").flatMap((text) => (text.trim() === "" ? [] : [Number(text)]));
  return [pid, ...pids.flatMap(withDescendants)];
}

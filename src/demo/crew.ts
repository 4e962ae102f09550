import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { aborted } from "../std/abort.ts";
import type { Clock } from "../std/clock.ts";
import { type Child, type ChildOptions, startChild } from "./child.ts";

/**
 * Reads the children's process ids until the demo closes the pipe or dies, whatever killed it;
 * then ends those children and removes the folder.
 */
const guardScript =
  'while read -r pid; do pids="$pids $pid"; done; [ -z "$pids" ] || kill -9 $pids; rm -rf -- "$1"';

/** The children of a demo and their files: opened together, gone together. */
export class Crew {
  readonly folder: string;
  /** Rejects, naming the child and its last words, when one ends before `close`. */
  readonly death: Promise<never>;
  readonly #clock: Clock;
  readonly #guard: ChildProcess;
  readonly #guardEnded: Promise<unknown>;
  readonly #children: Child[] = [];
  /** Aborted with the error that says who died. */
  readonly #died = new AbortController();
  readonly #closing = new AbortController();

  static async open(clock: Clock): Promise<Crew> {
    return new Crew(await mkdtemp(path.join(tmpdir(), "pointsman-demo-")), clock);
  }

  private constructor(folder: string, clock: Clock) {
    this.folder = folder;
    this.#clock = clock;
    const { signal } = this.#died;
    this.death = aborted(signal).then(() => {
      throw signal.reason;
    });
    // A waiting caller gets the error; without one, the demo is ending anyway.
    this.death.catch(() => undefined);
    this.#guard = spawn("sh", ["-c", guardScript, "pointsman-demo-guard", folder], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#guardEnded = once(this.#guard, "close").catch(() => undefined);
    // Without a guard, only a demo that is itself killed outright leaves anything behind.
    this.#guard.stdin?.on("error", () => undefined);
  }

  /** Aborts when the crew begins to close. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Throws once the crew is closing: nothing may start behind its back. */
  start(options: Omit<ChildOptions, "clock">): Child {
    this.closing.throwIfAborted();
    const child = startChild({ ...options, clock: this.#clock });
    this.#children.push(child);
    this.#guard.stdin?.write(`${child.pid ?? ""}\n`);
    void this.#watch(child);
    return child;
  }

  /** Ends every child and removes the folder; once `cut` aborts, without patience. */
  async close(cut: AbortSignal): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#children.map((child) => child.end(cut)));
    await rm(this.folder, { recursive: true, force: true });
    this.#guard.kill("SIGKILL");
    await this.#guardEnded;
  }

  async #watch(child: Child): Promise<void> {
    const how = await child.ended;
    if (!this.closing.aborted) this.#died.abort(new Error(`${child.name} ${how}`));
  }
}

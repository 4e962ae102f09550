import type { EngineConnection } from "./engine-connection.ts";
import type { Polls } from "./polls.ts";

/** Unused connections that are kept for one address. */
const idleMax = 1_024;

/** The unused connections to one address, the last used on top. Those that have rested for a poll are taken first. */
export class IdleConnections {
  readonly #polls: Polls;
  #rested: EngineConnection[] = [];
  /** Released in one poll. */
  #fresh: EngineConnection[] = [];
  #freshPoll = 0;

  constructor(polls: Polls) {
    this.#polls = polls;
  }

  get size(): number {
    return this.#rested.length + this.#fresh.length;
  }

  /** `isFresh`: the engine may have sent more that this poll does not tell. */
  take(nowMs: number): { connection: EngineConnection; isFresh: boolean } | undefined {
    this.#settle(this.#polls.current());
    const rested = usableIn(this.#rested, nowMs);
    if (rested !== undefined) return { connection: rested, isFresh: false };
    const fresh = usableIn(this.#fresh, nowMs);
    return fresh === undefined ? undefined : { connection: fresh, isFresh: true };
  }

  /** Returns false if there is no place. */
  add(connection: EngineConnection): boolean {
    if (this.size >= idleMax) return false;
    this.#settle(this.#polls.current());
    this.#fresh.push(connection);
    return true;
  }

  /** Closes those that cannot be used at this time any more. */
  prune(nowMs: number): void {
    const usable = (each: EngineConnection) => {
      if (each.isUsable(nowMs)) return true;
      each.close();
      return false;
    };
    this.#rested = this.#rested.filter(usable);
    this.#fresh = this.#fresh.filter(usable);
  }

  close(): void {
    for (const each of [...this.#rested, ...this.#fresh]) each.close();
    this.#rested = [];
    this.#fresh = [];
  }

  #settle(poll: number): void {
    if (poll === this.#freshPoll) return;
    this.#freshPoll = poll;
    for (const each of this.#fresh) this.#rested.push(each);
    this.#fresh.length = 0;
  }
}

/** Takes the last one that can be used, and closes those above it. */
function usableIn(stack: EngineConnection[], nowMs: number): EngineConnection | undefined {
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (top.isUsable(nowMs)) return top;
    top.close();
  }
  return undefined;
}

import type { PromptBlocks } from "../../core/prefix-match.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { RequestHead } from "../../core/request.ts";
import type { LeftFacts } from "./request-line.ts";

/**
 * Facts of attempts that have ended, until their requests end. That is right afterwards, unless there is another attempt:
 * so these facts are in a field, and only those of earlier attempts in a map, whose entries each collection of garbage
 * would have to look at.
 */
export class EndedAttempts {
  #head: RequestHead | undefined;
  #facts: LeftFacts | undefined;
  readonly #earlier = new WeakMap<RequestHead, LeftFacts>();

  add(head: RequestHead, facts: LeftFacts): void {
    if (this.#head !== undefined && this.#facts !== undefined) {
      this.#earlier.set(this.#head, this.#facts);
    }
    this.#head = head;
    this.#facts = facts;
  }

  /** The facts of the last attempt of a request that has ended; undefined if it was never sent. */
  take(head: RequestHead): LeftFacts | undefined {
    if (this.#head !== head) return this.#earlier.get(head);
    const facts = this.#facts;
    this.#head = this.#facts = undefined;
    return facts;
  }
}

/** Follows one attempt to its end. */
export class SentAttempt implements LeftFacts, RequestFollower {
  readonly blocks: PromptBlocks | undefined;
  readonly isAdapter: boolean;
  readonly #ended: EndedAttempts;

  constructor(ended: EndedAttempts, { blocks, isAdapter }: LeftFacts) {
    this.#ended = ended;
    this.blocks = blocks;
    this.isAdapter = isAdapter;
  }

  ended({ head }: RequestRecord): void {
    this.#ended.add(head, this);
  }
}

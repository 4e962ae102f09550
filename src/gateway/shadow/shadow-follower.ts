import type { RequestFollower, ResponseHead } from "../../core/request-follower.ts";
import type { RequestRecord } from "../../core/request-record.ts";
import type { Clock } from "../../std/clock.ts";

interface FollowerParts {
  readonly onFailure: (cause: unknown) => void;
  /** Time that an event took. */
  readonly spent: (ms: number) => void;
  readonly clock: Pick<Clock, "nowMs">;
}

/**
 * Lets plugins of a shadow document learn from what really happened. They hear only of events: what they would add to the
 * answer is not asked for, and what they throw ends here.
 */
export class ShadowFollower implements RequestFollower {
  readonly #parts: FollowerParts;
  readonly #followers: RequestFollower[] = [];

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  add(follower: RequestFollower): void {
    this.#followers.push(follower);
  }

  onEnd(ended: (record: RequestRecord) => void): void {
    this.#followers.push({ ended });
  }

  responseHead(head: ResponseHead, atMs: number): void {
    this.#tell((follower) => follower.responseHead?.(head, atMs));
  }

  firstToken(atMs: number): void {
    this.#tell((follower) => follower.firstToken?.(atMs));
  }

  ended(record: RequestRecord): void {
    this.#tell((follower) => follower.ended?.(record));
  }

  #tell(event: (follower: RequestFollower) => void): void {
    const { clock, spent, onFailure } = this.#parts;
    const startedMs = clock.nowMs();
    for (const follower of this.#followers) {
      try {
        event(follower);
      } catch (cause) {
        onFailure(cause);
      }
    }
    spent(clock.nowMs() - startedMs);
  }
}

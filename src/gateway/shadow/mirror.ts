import type { SentRequest } from "../../core/data-plane-plugin.ts";
import type { PoolSnapshot } from "../../core/pool-snapshot.ts";
import type { RequestFollower } from "../../core/request-follower.ts";
import { SecondScheduler } from "../../data-plane/scheduling/second-scheduler.ts";
import type { Clock } from "../../std/clock.ts";
import type { Build } from "../build-config.ts";
import { ShadowFollower } from "./shadow-follower.ts";

interface MirrorParts {
  readonly inForce: () => Build;
  readonly pool: () => Pick<PoolSnapshot, "standing" | "models" | "pastModels">;
  readonly ignoresSubset: boolean;
  readonly clock: Pick<Clock, "nowMs">;
  /** Time that it took. */
  readonly spent: (ms: number) => void;
  readonly onFailure: (cause: unknown) => void;
}

/**
 * Lets the document in force learn from the decisions of the shadow document in a rollout, as the shadow learns from those in
 * force: each knows the load and the caches that both have made.
 */
export class Mirror {
  readonly #parts: MirrorParts;
  #build: Build | undefined;
  #scheduler: SecondScheduler | undefined;

  constructor(parts: MirrorParts) {
    this.#parts = parts;
  }

  sent(sent: SentRequest): RequestFollower {
    const { clock, onFailure, pool, spent } = this.#parts;
    const startedMs = clock.nowMs();
    const follower = new ShadowFollower({ onFailure, spent, clock });
    try {
      const { endpoints, load, nowMs } = sent.context;
      const scheduler = this.#current();
      // A whole decision: some plugins learn from what they saw when they scored.
      const opinion = scheduler.decide(sent, { ...pool(), endpoints, load, nowMs });
      scheduler.learn(opinion, sent, (plugin) => follower.add(plugin));
    } catch (cause) {
      onFailure(cause);
    }
    spent(clock.nowMs() - startedMs);
    return follower;
  }

  #current(): SecondScheduler {
    const build = this.#parts.inForce();
    if (this.#scheduler === undefined || this.#build !== build) {
      const { graph, refusesUnknownModels } = build.dataPlane;
      const { ignoresSubset } = this.#parts;
      this.#build = build;
      this.#scheduler = new SecondScheduler(graph, { ignoresSubset, refusesUnknownModels });
    }
    return this.#scheduler;
  }
}

import type { EndpointStore } from "../../../state/endpoint-store.ts";
import { firstFew } from "../../../std/first-few.ts";
import type { FollowedKind, ReflectorDeps } from "../../kubernetes/reflector.ts";
import type { Exclusion, Membership } from "./membership.ts";

export interface ClusterSourceDeps extends ReflectorDeps {
  readonly store: Pick<EndpointStore, "apply">;
  /** Called when the pool becomes known, and when it no longer exists. */
  readonly onSynced: (isSynced: boolean) => void;
}

/** Status of a source, for people. */
export interface ClusterSourceStatus {
  /** `InferencePool default/llama` */
  readonly source: string;
  /** The reason why the pool is not known; undefined if it is. */
  readonly problem: string | undefined;
  readonly excluded: readonly Exclusion[];
  readonly follows: readonly FollowedKind[];
}

/** Follows the endpoints of a cluster into the store. */
export interface ClusterSource {
  readonly status: ClusterSourceStatus;
  /** Resolves when `signal` has aborted and nothing of it runs any more. */
  run(signal: AbortSignal): Promise<void>;
}

/** Current knowledge of the pool. */
export type PoolKnowledge =
  | ({ readonly kind: "known" } & Membership)
  /** It does not exist: its endpoints are removed. */
  | { readonly kind: "gone"; readonly problem: string }
  /** It is being read for the first time; nothing has failed. */
  | { readonly kind: "unread"; readonly problem: string }
  /** It cannot be read now: the last known endpoints stay. */
  | { readonly kind: "unknown"; readonly problem: string };

/** Minimum interval between two changes of the store: a burst of events is one change. */
const gapMs = 20;

/**
 * Applies the endpoints of a source to the store: at once, but in a burst of changes once every 20
 * ms.
 */
export class StoreFeeder {
  readonly #deps: ClusterSourceDeps;
  readonly #source: string;
  readonly #knowledge: () => PoolKnowledge;
  #isScheduled = false;
  #appliedAtMs = Number.NEGATIVE_INFINITY;
  #last: PoolKnowledge = { kind: "unread", problem: "not read yet" };
  #isSynced = false;

  constructor(source: string, knowledge: () => PoolKnowledge, deps: ClusterSourceDeps) {
    this.#source = source;
    this.#knowledge = knowledge;
    this.#deps = deps;
  }

  /** The membership applied last. */
  get last(): PoolKnowledge {
    return this.#last;
  }

  /** Called after each event that may have changed the membership. */
  readonly changed = (): void => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const { clock } = this.#deps;
    const waitMs = Math.max(0, this.#appliedAtMs + gapMs - clock.nowMs());
    clock.after(waitMs, () => {
      this.#isScheduled = false;
      this.#appliedAtMs = clock.nowMs();
      this.#apply(this.#knowledge());
    });
  };

  #apply(knowledge: PoolKnowledge): void {
    const before = this.#last;
    this.#last = knowledge;
    if (knowledge.kind === "known") this.#update(knowledge);
    else if (knowledge.kind === "gone") this.#update({ specs: [], excluded: [] });
    this.#warnOf(knowledge, before);
    // An unreadable pool is still served.
    if (knowledge.kind === "unknown" || knowledge.kind === "unread") return;
    const isSynced = knowledge.kind === "known";
    if (this.#isSynced === isSynced) return;
    this.#isSynced = isSynced;
    this.#deps.onSynced(isSynced);
  }

  /** Logs each problem once. An initial read in progress is not a problem. */
  #warnOf(knowledge: PoolKnowledge, before: PoolKnowledge): void {
    if (knowledge.kind === "known" || knowledge.kind === "unread") return;
    if (knowledge.kind === before.kind && knowledge.problem === before.problem) return;
    this.#deps.log.warn(
      { source: this.#source, problem: knowledge.problem },
      knowledge.kind === "gone" ? "pool not found" : "pool not read",
    );
  }

  #update({ specs, excluded }: Membership): void {
    const { store, log } = this.#deps;
    const { added, removed, updated } = store.apply(specs);
    if (added.length + removed.length + updated.length === 0 && this.#isSynced) return;
    log.info(
      {
        source: this.#source,
        endpoints: specs.length,
        added: idsOf(added),
        removed: idsOf(removed),
        updated: updated.length,
        excluded: excluded.length,
      },
      "endpoints updated",
    );
  }
}

function problemOf(knowledge: PoolKnowledge): string | undefined {
  return knowledge.kind === "known" ? undefined : knowledge.problem;
}

function idsOf(endpoints: readonly { readonly id: string }[]): readonly string[] {
  return firstFew(endpoints.map(({ id }) => id));
}

/** The status of a source, from the membership that its feeder applied last. */
export function statusOf(
  source: string,
  last: PoolKnowledge,
  follows: readonly FollowedKind[],
): ClusterSourceStatus {
  return {
    source,
    problem: problemOf(last),
    excluded: last.kind === "known" ? last.excluded : [],
    follows,
  };
}

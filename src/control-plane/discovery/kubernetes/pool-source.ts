import { aborted } from "../../../std/abort.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import {
  type ClusterSource,
  type ClusterSourceDeps,
  type ClusterSourceStatus,
  type PoolKnowledge,
  statusOf,
  StoreFeeder,
} from "./cluster-source.ts";
import { type PoolSelection, poolSelectionOf, poolVersionsOf } from "./inference-pool.ts";
import { PodFollower } from "./pod-follower.ts";

export interface PoolRef {
  readonly group: string;
  readonly namespace: string;
  readonly name: string;
}

/** The endpoints of an InferencePool: the pods that it selects, on the ports that it names. */
export class PoolSource implements ClusterSource {
  readonly #name: string;
  readonly #pods: PodFollower;
  readonly #feeder: StoreFeeder;
  /** The pool in each version, in order of precedence. */
  readonly #versions: readonly Reflector<PoolSelection>[];

  constructor({ group, namespace, name }: PoolRef, deps: ClusterSourceDeps) {
    this.#name = `InferencePool ${namespace}/${name}`;
    this.#feeder = new StoreFeeder(this.#name, () => this.#caughtUp(), deps);
    this.#pods = new PodFollower({ ...deps, namespace, onChange: this.#feeder.changed });
    this.#versions = poolVersionsOf(group).map(
      (version) =>
        new Reflector(
          {
            what: `${this.#name} of ${version.group}/${version.version}`,
            path: `/apis/${version.group}/${version.version}/namespaces/${namespace}/inferencepools`,
            fieldSelector: `metadata.name=${name}`,
            keep: poolSelectionOf,
            onChange: () => this.#selectionChanged(),
          },
          deps,
        ),
    );
  }

  get status(): ClusterSourceStatus {
    return statusOf(this.#name, this.#feeder.last, [
      ...this.#versions.map(({ status }) => status),
      ...this.#pods.follows,
    ]);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#versions.map((pools) => pools.run(signal)));
    await aborted(signal);
    await this.#pods.stop();
  }

  #selectionChanged(): void {
    const selection = this.#selection();
    if (selection !== "unknown") this.#pods.follow(selection);
    this.#feeder.changed();
  }

  /** Selection of the first version that has the pool; undefined if none has it. */
  #selection(): PoolSelection | "unknown" | undefined {
    for (const pools of this.#versions) {
      const [selection] = pools.items.values();
      if (selection !== undefined) return selection;
      if (pools.state === "unread") return "unknown";
    }
    return undefined;
  }

  #caughtUp(): PoolKnowledge {
    this.#pods.catchUp();
    return this.#knowledge();
  }

  #knowledge(): PoolKnowledge {
    const selection = this.#selection();
    if (selection === "unknown")
      return { kind: "unread", problem: "the pool has not been read yet" };
    if (selection === undefined) return { kind: "gone", problem: this.#absence() };
    const membership = this.#pods.membership;
    if (membership !== undefined) return { kind: "known", ...membership };
    const failure = this.#pods.failure;
    return failure === undefined
      ? { kind: "unread", problem: "its pods have not been read yet" }
      : { kind: "unknown", problem: `its pods: ${failure}` };
  }

  #absence(): string {
    const forbidden = this.#versions.find(({ state }) => state === "forbidden");
    if (forbidden !== undefined) return `may not be read: ${forbidden.status.failure}`;
    const isKind = this.#versions.some(({ state }) => state === "synced");
    return isKind ? "it does not exist" : "the kind InferencePool is not installed";
  }
}

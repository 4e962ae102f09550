import { aborted } from "../../../std/abort.ts";
import {
  type ClusterSource,
  type ClusterSourceDeps,
  type ClusterSourceStatus,
  type PoolKnowledge,
  statusOf,
  StoreFeeder,
} from "./cluster-source.ts";
import type { PoolSelection } from "./inference-pool.ts";
import { PodFollower } from "./pod-follower.ts";

/** The endpoints of a label selector and a list of ports, without a resource that names them. */
export class SelectorSource implements ClusterSource {
  readonly #name: string;
  readonly #pods: PodFollower;
  readonly #feeder: StoreFeeder;
  readonly #selection: PoolSelection;

  constructor(
    { namespace, ...selection }: PoolSelection & { readonly namespace: string },
    deps: ClusterSourceDeps,
  ) {
    this.#name = `Pods of ${namespace} with ${selection.labelSelector}`;
    this.#selection = selection;
    this.#feeder = new StoreFeeder(this.#name, () => this.#caughtUp(), deps);
    this.#pods = new PodFollower({ ...deps, namespace, onChange: this.#feeder.changed });
  }

  get status(): ClusterSourceStatus {
    return statusOf(this.#name, this.#feeder.last, this.#pods.follows);
  }

  async run(signal: AbortSignal): Promise<void> {
    this.#pods.follow(this.#selection);
    await aborted(signal);
    await this.#pods.stop();
  }

  #caughtUp(): PoolKnowledge {
    this.#pods.catchUp();
    return this.#knowledge();
  }

  #knowledge(): PoolKnowledge {
    const membership = this.#pods.membership;
    if (membership !== undefined) return { kind: "known", ...membership };
    const { failure } = this.#pods;
    return failure === undefined
      ? { kind: "unread", problem: "the pods have not been read yet" }
      : { kind: "unknown", problem: failure };
  }
}

import { Replaceable } from "../../../std/replaceable.ts";
import { Reflector, type ReflectorDeps } from "../../kubernetes/reflector.ts";
import type { PoolSelection } from "./inference-pool.ts";
import type { Membership } from "./membership.ts";
import { endpointsOfPods } from "./pod-endpoints.ts";
import { type Pod, podOf } from "./pod.ts";
import { doomedGroupsOf, groupOf, workerSetLabel } from "./worker-groups.ts";

export interface PodFollowerDeps extends ReflectorDeps {
  readonly namespace: string;
  readonly onChange: () => void;
}

/** The pods of one label selector. */
interface PodWatch {
  readonly labelSelector: string;
  readonly pods: Reflector<Pod>;
}

/** Follows the pods of a selection, and the groups of workers that they are part of. */
export class PodFollower {
  readonly #deps: PodFollowerDeps;
  readonly #watching = new Replaceable();
  readonly #watchingWorkers = new Replaceable();
  #targetPorts: readonly number[] = [];
  /** The selection in use; a new one replaces it once its pods have been listed. */
  #current: PodWatch | undefined;
  #next: PodWatch | undefined;
  #workers: PodWatch | undefined;

  constructor(deps: PodFollowerDeps) {
    this.#deps = deps;
  }

  get follows() {
    const watches = [this.#next ?? this.#current, this.#workers];
    return watches.flatMap((each) => (each === undefined ? [] : [each.pods.status]));
  }

  /** Follows the pods and ports of another selection; none if `selection` is undefined. */
  follow(selection: PoolSelection | undefined): void {
    const wanted = this.#next ?? this.#current;
    this.#targetPorts = selection?.targetPorts ?? [];
    if (selection?.labelSelector === wanted?.labelSelector) return;
    if (selection === undefined) {
      this.#current = undefined;
      this.#next = undefined;
      this.#watching.replace(() => Promise.resolve());
      this.#followWorkers();
      return;
    }
    const next = this.#watch(selection.labelSelector);
    this.#next = next;
    this.#watching.replace((signal) => next.pods.run(signal));
  }

  /**
   * Switches to another selection once its pods have been listed, and follows the workers of the
   * current pods. Called before `membership` is read, once for a burst of changes.
   */
  catchUp(): void {
    if (this.#next?.pods.state === "synced") {
      this.#current = this.#next;
      this.#next = undefined;
    }
    if (this.#current !== undefined) this.#followWorkers();
  }

  /** The known endpoints; undefined until the pods have been listed once. */
  get membership(): Membership | undefined {
    if (this.#current === undefined) return undefined;
    const pods = this.#current.pods.items;
    const workers = this.#workers?.pods.items ?? new Map<string, Pod>();
    return endpointsOfPods({
      pods: pods.values(),
      targetPorts: this.#targetPorts,
      doomedGroups: doomedGroupsOf(workers.values()),
    });
  }

  /** The reason why no pods are known. */
  get failure(): string | undefined {
    return (this.#next ?? this.#current)?.pods.status.failure;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#watching.stop(), this.#watchingWorkers.stop()]);
  }

  /** Follows the other members of worker sets, which the pool does not select. */
  #followWorkers(): void {
    const sets = new Set<string>();
    for (const pod of this.#current?.pods.items.values() ?? []) {
      const set = pod.labels[workerSetLabel];
      if (set !== undefined && groupOf(pod) !== undefined) sets.add(set);
    }
    const labelSelector =
      sets.size === 0 ? undefined : `${workerSetLabel} in (${[...sets].toSorted().join(",")})`;
    if (labelSelector === this.#workers?.labelSelector) return;
    const workers = labelSelector === undefined ? undefined : this.#watch(labelSelector);
    this.#workers = workers;
    this.#watchingWorkers.replace((signal) => workers?.pods.run(signal) ?? Promise.resolve());
  }

  #watch(labelSelector: string): PodWatch {
    const { namespace, onChange } = this.#deps;
    const what = `Pods of ${namespace} with ${labelSelector === "" ? "any label" : labelSelector}`;
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const pods = new Reflector({ what, path, labelSelector, keep: podOf, onChange }, this.#deps);
    return { labelSelector, pods };
  }
}

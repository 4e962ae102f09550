import {
  type ClusterSource,
  type ClusterSourceDeps,
} from "./control-plane/discovery/kubernetes/cluster-source.ts";
import { type PoolRef, PoolSource } from "./control-plane/discovery/kubernetes/pool-source.ts";
import { SelectorSource } from "./control-plane/discovery/kubernetes/selector-source.ts";
import {
  type ServiceRef,
  ServiceSource,
} from "./control-plane/discovery/kubernetes/service-source.ts";
import type { ClusterAccess } from "./control-plane/kubernetes/cluster-access.ts";
import { HttpKubeApi } from "./control-plane/kubernetes/http-kube-api.ts";
import type { EndpointStore } from "./state/endpoint-store.ts";
import type { Clock } from "./std/clock.ts";
import type { Random } from "./std/random.ts";
import type { Logger } from "./telemetry/logger.ts";

/** What says which endpoints of a cluster are the pool. */
export type ClusterSourceRef =
  | ({ readonly kind: "pool" } & PoolRef)
  | ({ readonly kind: "service" } & ServiceRef)
  | {
      readonly kind: "selector";
      readonly namespace: string;
      readonly labelSelector: string;
      readonly targetPorts: readonly number[];
    };

export interface ClusterOptions {
  readonly access: ClusterAccess;
  /** Undefined where the configuration says what the pool is. */
  readonly source: ClusterSourceRef | undefined;
}

export interface ClusterDeps {
  readonly store: EndpointStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onSynced: (isSynced: boolean) => void;
}

/** Everything that is followed of a cluster. */
export class Cluster {
  readonly #api: HttpKubeApi;
  readonly #source: ClusterSource | undefined;

  constructor({ access, source }: ClusterOptions, deps: ClusterDeps) {
    this.#api = new HttpKubeApi(access, "pointsman");
    this.#source = source && sourceOf(source, { ...deps, api: this.#api });
  }

  /** The source of endpoints as it stands, for people. */
  get sourceStatus() {
    return this.#source?.status;
  }

  /** Follows the cluster. Resolves when `signal` has aborted and nothing of it runs any more. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#source?.run(signal);
    await this.#api.close();
  }
}

function sourceOf(ref: ClusterSourceRef, deps: ClusterSourceDeps): ClusterSource {
  switch (ref.kind) {
    case "pool":
      return new PoolSource(ref, deps);
    case "service":
      return new ServiceSource(ref, deps);
    case "selector":
      return new SelectorSource(ref, deps);
  }
}

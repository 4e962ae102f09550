import {
  type ConfigMapDeps,
  type ConfigMapRef,
  ConfigMapSource,
} from "./config-map/config-map-source.ts";
import {
  type ClusterSource,
  type ClusterSourceDeps,
  type ClusterSourceStatus,
} from "./discovery/kubernetes/cluster-source.ts";
import { type PoolRef, PoolSource } from "./discovery/kubernetes/pool-source.ts";
import { SelectorSource } from "./discovery/kubernetes/selector-source.ts";
import { type ServiceRef, ServiceSource } from "./discovery/kubernetes/service-source.ts";
import { type ElectionOptions, LeaseElection } from "./election/lease-election.ts";
import type { ClusterAccess } from "./kubernetes/cluster-access.ts";
import { HttpKubeApi } from "./kubernetes/http-kube-api.ts";
import type { FollowedKind } from "./kubernetes/reflector.ts";
import { accountOf, reviewToken, type TokenVerdict } from "./kubernetes/token-review.ts";
import { SecretFollower } from "./kubernetes/secret-follower.ts";
import { PolicySource, type PolicySourceDeps } from "./policies/policy-source.ts";
import { policyTargetOf } from "./policies/pool-ref.ts";
import type { SecretSource } from "../core/secrets.ts";
import type { EndpointStore } from "../state/endpoint-store.ts";
import type { PoolPolicies } from "../state/pool-policies.ts";
import type { Clock } from "../std/clock.ts";
import type { Random } from "../std/random.ts";
import type { ClusterView, FollowedResource } from "./metrics.ts";
import type { Logger } from "../telemetry/logger.ts";

/** The objects of a cluster that define the pool. */
export type ClusterSourceRef =
  | ({ readonly kind: "pool" } & PoolRef)
  | ({ readonly kind: "service" } & ServiceRef)
  | {
      readonly kind: "selector";
      readonly namespace: string;
      /** Name of the pool in objectives and rewrites. */
      readonly name: string;
      readonly labelSelector: string;
      readonly targetPorts: readonly number[];
    };

export interface ClusterOptions {
  readonly access: ClusterAccess;
  /** Undefined if the configuration defines the pool. */
  readonly source: ClusterSourceRef | undefined;
  /** The ConfigMap with the configuration; undefined if the command line gives it. */
  readonly configMap: ConfigMapRef | undefined;
  /** Undefined if every replica takes requests. */
  readonly election: ElectionOptions | undefined;
  /** Name of this process in events, for people. */
  readonly instance: string;
}

export interface ClusterDeps {
  readonly policies: PoolPolicies;
  readonly store: EndpointStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly onSynced: (isSynced: boolean) => void;
  readonly onLeading: (isLeading: boolean) => void;
  readonly config: Pick<ConfigMapDeps, "apply" | "refuse" | "onApplied">;
}

/** Follows the objects of a cluster, and sends its API server other requests. */
export class Cluster {
  readonly #api: HttpKubeApi;
  readonly #access: ClusterAccess;
  readonly #clock: Clock;
  readonly #election: LeaseElection | undefined;
  readonly #source: ClusterSource | undefined;
  readonly #policies: PolicySource | undefined;
  readonly #configMap: ConfigMapSource | undefined;
  readonly #secrets: SecretFollower;

  constructor(options: ClusterOptions, deps: ClusterDeps) {
    const { access, source, configMap, election, instance } = options;
    this.#api = new HttpKubeApi(access, "pointsman");
    this.#access = access;
    this.#clock = deps.clock;
    const withApi = { ...deps, api: this.#api };
    this.#election = election && new LeaseElection(election, withApi);
    this.#source = source && sourceOf(source, withApi);
    this.#policies = source && policiesOf(source, withApi);
    this.#configMap =
      configMap && new ConfigMapSource(configMap, { ...withApi, ...deps.config, instance });
    const namespace = source?.namespace ?? configMap?.namespace ?? "default";
    this.#secrets = new SecretFollower({ ...withApi, namespace });
  }

  /** Status of the source of endpoints, for people. */
  get sourceStatus(): ClusterSourceStatus | undefined {
    const status = this.#source?.status;
    return status && { ...status, follows: this.#follows };
  }

  /** The followed objects and the leadership of this replica, for metrics. */
  get view(): ClusterView {
    const election = this.#election;
    return {
      follows: () => this.#follows.map((followed) => this.#resourceOf(followed)),
      election: election && { lease: election.leaseName, isLeading: () => election.isLeading },
    };
  }

  get #follows(): readonly FollowedKind[] {
    return [
      ...(this.#source?.status.follows ?? []),
      ...(this.#policies?.follows ?? []),
      ...(this.#configMap === undefined ? [] : [this.#configMap.status]),
      ...(this.#election === undefined ? [] : [this.#election.status]),
      ...this.#secrets.follows,
    ];
  }

  #resourceOf({ resource, state, contactAtMs, counts }: FollowedKind): FollowedResource {
    const contactAgeMs = contactAtMs === undefined ? undefined : this.#clock.nowMs() - contactAtMs;
    return { resource, isSynced: state === "synced", contactAgeMs, counts };
  }

  /** Secrets that the configuration names. */
  get secrets(): SecretSource {
    return this.#secrets;
  }

  /**
   * The reason why this replica cannot take part in the election; undefined if it can, or need not.
   */
  get electionProblem(): string | undefined {
    return this.#election?.problem;
  }

  /** Gives up leadership as soon as possible. */
  resign(): void {
    this.#election?.resign();
  }

  /** Verifies a token, and if its account may read a path of the admin port. */
  review(token: string, path: string): Promise<TokenVerdict> {
    const ownAccount = async () =>
      accountOf((await this.#access.credentials()).headers["authorization"]);
    return reviewToken(token, path, { api: this.#api, clock: this.#clock, ownAccount });
  }

  /** Follows the cluster. Resolves when `signal` has aborted and nothing of it runs any more. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#source?.run(signal),
      this.#policies?.run(signal),
      this.#configMap?.run(signal),
      this.#election?.run(signal),
      this.#secrets.run(signal),
    ]);
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

function policiesOf(ref: ClusterSourceRef, deps: PolicySourceDeps): PolicySource {
  const { namespace } = ref;
  switch (ref.kind) {
    case "pool":
      return new PolicySource(
        { namespace, target: policyTargetOf("InferencePool", ref.name, ref.group) },
        deps,
      );
    case "service":
      return new PolicySource({ namespace, target: policyTargetOf("Service", ref.name) }, deps);
    case "selector":
      return new PolicySource(
        { namespace, target: policyTargetOf("InferencePool", ref.name) },
        deps,
      );
  }
}

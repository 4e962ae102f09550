import { z } from "zod";
import { aborted } from "../../../std/abort.ts";
import { Replaceable } from "../../../std/replaceable.ts";
import type { KubeObject } from "../../kubernetes/kube-api.ts";
import { Reflector } from "../../kubernetes/reflector.ts";
import {
  type ClusterSource,
  type ClusterSourceDeps,
  type ClusterSourceStatus,
  type PoolKnowledge,
  statusOf,
  StoreFeeder,
} from "./cluster-source.ts";
import { type EndpointSlice, endpointSliceOf } from "./endpoint-slice.ts";
import { type Pod, podOf } from "./pod.ts";
import { endpointsOfSlices } from "./slice-endpoints.ts";

export interface ServiceRef {
  readonly namespace: string;
  readonly name: string;
  /** Name or number of the port; undefined for a Service with only one. */
  readonly port: string | undefined;
}

/** Fields of a Service that are read. */
interface Service {
  readonly type: string;
  /** Undefined for a Service whose slices are written by hand. */
  readonly labelSelector: string | undefined;
}

const serviceSchema = z.object({
  spec: z.object({
    type: z.string().nullish(),
    selector: z.record(z.string(), z.string()).nullish(),
  }),
});

function serviceOf(object: KubeObject): Service | undefined {
  const parsed = serviceSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { type, selector } = parsed.data.spec;
  const labels = Object.entries(selector ?? {}).map(([name, value]) => `${name}=${value}`);
  return {
    type: type ?? "ClusterIP",
    labelSelector: labels.length === 0 ? undefined : labels.toSorted().join(","),
  };
}

/**
 * The endpoints of a Service, from its EndpointSlices. Labels and disruptions come from the pods,
 * if the picker may read pods.
 */
export class ServiceSource implements ClusterSource {
  readonly #name: string;
  readonly #ref: ServiceRef;
  readonly #deps: ClusterSourceDeps;
  readonly #feeder: StoreFeeder;
  readonly #services: Reflector<Service>;
  readonly #slices: Reflector<EndpointSlice>;
  readonly #watchingPods = new Replaceable();
  #pods: { readonly labelSelector: string; readonly reflector: Reflector<Pod> } | undefined;

  constructor(ref: ServiceRef, deps: ClusterSourceDeps) {
    const { namespace, name } = ref;
    this.#name = `Service ${namespace}/${name}`;
    this.#ref = ref;
    this.#deps = deps;
    this.#feeder = new StoreFeeder(this.#name, () => this.#knowledge(), deps);
    this.#services = new Reflector(
      {
        what: this.#name,
        path: `/api/v1/namespaces/${namespace}/services`,
        fieldSelector: `metadata.name=${name}`,
        keep: serviceOf,
        onChange: () => this.#serviceChanged(),
      },
      deps,
    );
    this.#slices = new Reflector(
      {
        what: `EndpointSlices of ${namespace}/${name}`,
        path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
        labelSelector: `kubernetes.io/service-name=${name}`,
        keep: endpointSliceOf,
        onChange: this.#feeder.changed,
      },
      deps,
    );
  }

  get status(): ClusterSourceStatus {
    return statusOf(this.#name, this.#feeder.last, [
      this.#services.status,
      this.#slices.status,
      ...(this.#pods === undefined ? [] : [this.#pods.reflector.status]),
    ]);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#services.run(signal), this.#slices.run(signal)]);
    await aborted(signal);
    await this.#watchingPods.stop();
  }

  #serviceChanged(): void {
    const [service] = this.#services.items.values();
    // Without permission to read the Service its selector is unknown, so all pods of the namespace
    // are read.
    const labelSelector = this.#services.state === "forbidden" ? "" : service?.labelSelector;
    if (labelSelector !== this.#pods?.labelSelector) this.#followPods(labelSelector);
    this.#feeder.changed();
  }

  #followPods(labelSelector: string | undefined): void {
    if (labelSelector === undefined) {
      this.#pods = undefined;
      this.#watchingPods.replace(() => Promise.resolve());
      return;
    }
    const { namespace } = this.#ref;
    const reflector = new Reflector(
      {
        what: `Pods of ${namespace} with ${labelSelector === "" ? "any label" : labelSelector}`,
        path: `/api/v1/namespaces/${namespace}/pods`,
        labelSelector,
        keep: podOf,
        onChange: this.#feeder.changed,
      },
      this.#deps,
    );
    this.#pods = { labelSelector, reflector };
    this.#watchingPods.replace((signal) => reflector.run(signal));
  }

  #knowledge(): PoolKnowledge {
    const [service] = this.#services.items.values();
    if (service?.type === "ExternalName") {
      return { kind: "gone", problem: "it is of type ExternalName, which has no endpoints" };
    }
    if (this.#services.state === "synced" && service === undefined) {
      return { kind: "gone", problem: "it does not exist" };
    }
    if (this.#slices.state !== "synced" || this.#services.state === "unread") {
      const failure = this.#slices.status.failure;
      return failure === undefined
        ? { kind: "unread", problem: "its EndpointSlices have not been read yet" }
        : { kind: "unknown", problem: failure };
    }
    const { namespace, port } = this.#ref;
    const membership = endpointsOfSlices({
      namespace,
      slices: this.#slices.items.values(),
      port,
      podOf: (ofNamespace, name) => this.#pods?.reflector.items.get(`${ofNamespace}/${name}`),
    });
    if (membership.kind === "known") return membership;
    return {
      kind: "unknown",
      problem: `${membership.problem} with --service ${this.#ref.name}:PORT`,
    };
  }
}

import { mkdir, rename, writeFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as wait } from "node:timers/promises";
import type { KubeClient, KubeRef } from "../kube/client.ts";
import { bootstrapOf, clustersOf, envoyReadiness, routesOf } from "./envoy-resources.ts";
import type { EndpointSlice, Gateway, HttpRoute, InferencePool, Pod, Service } from "./kinds.ts";
import { keyOf, Mirror, type MirrorOptions } from "./mirror.ts";
import { envoyImage } from "./programs.ts";
import { type ClusterView, isReady, rulesOf } from "./routing.ts";
import { gatewayStatus, poolParents, routeParents } from "./statuses.ts";

/** Milliseconds until what failed is tried again. */
const retryMs = 200;

const gatewayApi = "gateway.networking.k8s.io/v1";
const inferenceApi = "inference.networking.k8s.io/v1";

interface ControllerOptions {
  readonly client: KubeClient;
  /** Gateways of this class are its own. */
  readonly gatewayClass: string;
  /** For the files that Envoy reads. */
  readonly folder: string;
  readonly log: (line: string) => void;
}

interface Mirrors {
  readonly gateways: Mirror<Gateway>;
  readonly routes: Mirror<HttpRoute>;
  readonly pools: Mirror<InferencePool>;
  readonly services: Mirror<Service>;
  readonly slices: Mirror<EndpointSlice>;
  readonly pods: Mirror<Pod>;
}

/** Runs an Envoy for each Gateway, and says of Gateways, routes and pools what has become of them. */
export class GatewayController {
  readonly #options: ControllerOptions;
  readonly #mirrors: Mirrors;
  /** What each file holds. */
  readonly #written = new Map<string, string>();
  #wake: () => void = () => undefined;
  #hasChanged = true;

  constructor(options: ControllerOptions) {
    this.#options = options;
    const mirrored = (apiVersion: string, kind: string): MirrorOptions => ({
      client: options.client,
      ref: { apiVersion, kind },
      log: options.log,
      onChange: () => {
        this.#hasChanged = true;
        this.#wake();
      },
    });
    this.#mirrors = {
      gateways: new Mirror(mirrored(gatewayApi, "Gateway")),
      routes: new Mirror(mirrored(gatewayApi, "HTTPRoute")),
      pools: new Mirror(mirrored(inferenceApi, "InferencePool")),
      services: new Mirror(mirrored("v1", "Service")),
      slices: new Mirror(mirrored("discovery.k8s.io/v1", "EndpointSlice")),
      pods: new Mirror(mirrored("v1", "Pod")),
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const mirrors = Object.values(this.#mirrors);
    const following = Promise.all(mirrors.map((mirror) => mirror.run(signal)));
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      if (!this.#hasChanged) await new Promise<void>((resolve) => (this.#wake = resolve));
      this.#hasChanged = false;
      if (signal.aborted || !mirrors.every((mirror) => mirror.isFilled)) continue;
      await this.#reconcile().catch(async (cause: unknown) => {
        if (!signal.aborted) this.#options.log(`gateway controller: ${String(cause)}`);
        this.#hasChanged = true;
        await wait(retryMs);
      });
    }
    await following;
  }

  async #reconcile(): Promise<void> {
    const { gatewayClass } = this.#options;
    const view: ClusterView = {
      gateways: this.#mirrors.gateways
        .items()
        .filter(({ spec }) => spec.gatewayClassName === gatewayClass),
      routes: this.#mirrors.routes.items(),
      pools: this.#mirrors.pools.items(),
      services: this.#mirrors.services.items(),
      slices: this.#mirrors.slices.items(),
      pods: this.#mirrors.pods.items(),
    };
    for (const gateway of view.gateways) await this.#program(gateway, view);
    for (const route of view.routes) {
      const ref = { apiVersion: gatewayApi, kind: "HTTPRoute" };
      await this.#say({ ...ref, ...route }, { parents: routeParents(route, view) });
    }
    for (const pool of view.pools) {
      const ref = { apiVersion: inferenceApi, kind: "InferencePool" };
      await this.#say({ ...ref, ...pool }, { parents: poolParents(pool, view) });
    }
  }

  /** Tells the Gateway's Envoy what to do, before anybody is told that it does. */
  async #program(gateway: Gateway, view: ClusterView): Promise<void> {
    const { name, namespace } = gateway.metadata;
    const folder = path.join(this.#options.folder, `${namespace}.${name}`);
    const at = (file: string) => path.join(folder, `${file}.json`);
    const [clusters, routes] = [at("clusters"), at("routes")];
    await mkdir(folder, { recursive: true });
    const rules = rulesOf(gateway, view);
    await this.#write(clusters, clustersOf(rules));
    await this.#write(routes, routesOf(rules));
    await this.#write(at("bootstrap"), bootstrapOf(keyOf(gateway), { folder, clusters, routes }));

    const podName = `${name}-envoy`;
    const pod = view.pods.find((each) => keyOf(each) === `${namespace}/${podName}`);
    if (pod === undefined) {
      await this.#options.client.apply(envoyPod(gateway, podName, at("bootstrap")));
    }
    const address = pod !== undefined && isReady(pod) ? pod.status?.podIP : undefined;
    const ref = { apiVersion: gatewayApi, kind: "Gateway" };
    await this.#say({ ...ref, ...gateway }, gatewayStatus(gateway, address));
  }

  /** Envoy sees a file that is moved to its place, and never a half of one. */
  async #write(file: string, content: object): Promise<void> {
    const text = JSON.stringify(content);
    if (this.#written.get(file) === text) return;
    await writeFile(`${file}.new`, text);
    await rename(`${file}.new`, file);
    this.#written.set(file, text);
  }

  async #say(object: KubeRef & { readonly status?: unknown }, wanted: object): Promise<void> {
    // A status, as all kinds have one.
    const status = (object.status ?? {}) as Readonly<Record<string, unknown>>;
    const isSaid = Object.entries(wanted).every(([field, value]) =>
      isDeepStrictEqual(status[field] ?? [], value),
    );
    if (isSaid) return;
    const { name = "", namespace = "" } = object.metadata ?? {};
    const { apiVersion, kind } = object;
    const ref = { apiVersion, kind, metadata: { name, namespace } };
    await this.#options.client.patch(ref, { status: wanted }, "status");
  }
}

function envoyPod({ metadata }: Gateway, name: string, bootstrapFile: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: metadata.namespace,
      ownerReferences: [
        { apiVersion: gatewayApi, kind: "Gateway", name: metadata.name, uid: metadata.uid },
      ],
    },
    spec: {
      containers: [
        {
          name: "envoy",
          image: envoyImage,
          args: [
            ...["--config-path", bootstrapFile, "--disable-hot-restart", "--concurrency", "1"],
            ...["--log-level", "warning"],
          ],
          readinessProbe: envoyReadiness,
        },
      ],
    },
  };
}

import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type KubeApi,
  KubeError,
  type KubeObject,
  type KubeQuery,
  type WatchEvent,
} from "../../src/control-plane/kubernetes/kube-api.ts";
import { FakeWatch } from "./fake-kube-api.ts";

/** Paths of the collections of namespace `n` that discovery follows. */
export const collections = {
  pods: "/api/v1/namespaces/n/pods",
  pools: "/apis/inference.networking.k8s.io/v1/namespaces/n/inferencepools",
  services: "/api/v1/namespaces/n/services",
  slices: "/apis/discovery.k8s.io/v1/namespaces/n/endpointslices",
} as const;

/**
 * An API server that holds a few collections, in memory or over HTTP. It knows no selectors: a test
 * puts in what they would find. A kind that is not listed above is not installed.
 */
export class FakeCluster implements KubeApi {
  readonly #objects = new Map<string, Map<string, KubeObject>>(
    Object.values(collections).map((path) => [path, new Map()]),
  );
  readonly #watches = new Map<string, Set<FakeWatch>>();
  /** What lists of a collection are refused with, by path. */
  readonly refusals = new Map<string, KubeError>();
  #version = 1;

  /** Creates or replaces an object. */
  put(path: string, object: KubeObject): void {
    const objects = this.#collection(path);
    const name = object.metadata?.name ?? "";
    const type = objects.has(name) ? "MODIFIED" : "ADDED";
    objects.set(name, object);
    this.#tell(path, type, object);
  }

  remove(path: string, name: string): void {
    const objects = this.#collection(path);
    const object = objects.get(name);
    if (object === undefined) return;
    objects.delete(name);
    this.#tell(path, "DELETED", object);
  }

  get(path: string): Promise<KubeObject> {
    const objects = this.#objects.get(path);
    const refusal = this.refusals.get(path) ?? (objects === undefined ? notInstalled() : undefined);
    if (refusal !== undefined) return Promise.reject(refusal);
    const metadata = { resourceVersion: String(this.#version) };
    return Promise.resolve({ items: [...(objects?.values() ?? [])], metadata });
  }

  watch(path: string, query: KubeQuery, signal: AbortSignal): Promise<AsyncIterable<WatchEvent>> {
    if (!this.#objects.has(path)) return Promise.reject(notInstalled());
    const watch = new FakeWatch(query, signal);
    const watches = this.#watches.get(path) ?? new Set();
    this.#watches.set(path, watches.add(watch));
    return Promise.resolve(watch);
  }

  create(): Promise<KubeObject> {
    return Promise.reject(new KubeError(405, "", "nothing is created here"));
  }

  replace(): Promise<KubeObject> {
    return Promise.reject(new KubeError(405, "", "nothing is replaced here"));
  }

  /** Listens on a loopback port until `signal` aborts; resolves to the URL. */
  async listen(signal: AbortSignal): Promise<string> {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    signal.addEventListener("abort", () => {
      server.closeAllConnections();
      server.close();
    });
    // A server that listens on a port has such an address.
    const { port } = server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://localhost");
    try {
      if (searchParams.get("watch") !== "true") {
        response.end(JSON.stringify(await this.get(pathname)));
        return;
      }
      const gone = new AbortController();
      response.on("close", () => gone.abort());
      const events = await this.watch(pathname, {}, gone.signal);
      response.flushHeaders();
      for await (const event of events) response.write(`${JSON.stringify(event)}\n`);
      response.end();
    } catch (cause) {
      response.statusCode = cause instanceof KubeError ? cause.httpStatus : 500;
      response.end(JSON.stringify({ message: String(cause) }));
    }
  }

  #collection(path: string): Map<string, KubeObject> {
    const objects = this.#objects.get(path);
    if (objects === undefined) throw notInstalled();
    return objects;
  }

  #tell(path: string, type: string, object: KubeObject): void {
    this.#version += 1;
    for (const watch of this.#watches.get(path) ?? []) watch.push(type, object);
  }
}

function notInstalled(): KubeError {
  return new KubeError(404, "NotFound", "the kind is not installed");
}

interface PodParts {
  readonly name: string;
  readonly uid?: string;
  readonly ip?: string;
  readonly isReady?: boolean;
  readonly isDeleted?: boolean;
  /** Seconds since the Unix epoch. */
  readonly createdAt?: number;
  /** Ports that it declares on the network of its node. */
  readonly nodePorts?: readonly number[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A pod as the API server sends it: ready at 10.0.0.1 unless told otherwise. */
export function aClusterPod(parts: PodParts): KubeObject {
  const { name, uid = `uid-${name}`, ip = "10.0.0.1", isReady = true, createdAt = 0 } = parts;
  const { isDeleted = false, nodePorts, labels = {}, annotations = {} } = parts;
  const ports = nodePorts?.map((containerPort) => ({ containerPort }));
  return {
    metadata: {
      ...{ namespace: "n", name, uid, labels, annotations },
      creationTimestamp: timestampOf(createdAt),
      ...(isDeleted ? { deletionTimestamp: timestampOf(createdAt + 60) } : {}),
    },
    spec: ports === undefined ? {} : { hostNetwork: true, containers: [{ ports }] },
    status: {
      phase: "Running",
      podIP: ip,
      conditions: [{ type: "Ready", status: isReady ? "True" : "False" }],
    },
  };
}

/** The pool `llama` of every pod, on these ports. */
export function aClusterPool(...ports: readonly number[]): KubeObject {
  return {
    metadata: { namespace: "n", name: "llama" },
    spec: {
      selector: { matchLabels: { app: "a" } },
      targetPorts: ports.map((number) => ({ number })),
    },
  };
}

function timestampOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

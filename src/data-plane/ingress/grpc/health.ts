/** Service names for liveness: SERVING while the process runs, including the drain. */
const livenessNames = ["liveness"];

/**
 * Service names for readiness: SERVING from the first pool until draining begins. Probes without a service name send
 * the empty name; charts of the Inference Extension send `inference-extension`.
 */
const readinessNames = [
  "readiness",
  "envoy.service.ext_proc.v3.ExternalProcessor",
  "inference-extension",
  "",
];

export type ServingStatus = "SERVING" | "NOT_SERVING";

/** The standard gRPC health service, with separate names for liveness and readiness. */
export class HealthService {
  readonly #statuses = new Map<string, ServingStatus>([
    ...livenessNames.map((name) => [name, "SERVING"] as const),
    ...readinessNames.map((name) => [name, "NOT_SERVING"] as const),
  ]);
  readonly #watchers = new Set<() => void>();
  #isReady = false;

  get isReady(): boolean {
    return this.#isReady;
  }

  setReady(isReady: boolean): void {
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    const status = isReady ? "SERVING" : "NOT_SERVING";
    for (const name of readinessNames) this.#statuses.set(name, status);
    for (const watcher of this.#watchers) watcher();
  }

  /** By name of a service. */
  get statuses(): ReadonlyMap<string, ServingStatus> {
    return this.#statuses;
  }

  /** Calls `watcher` after each change, until the returned function is called. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }
}

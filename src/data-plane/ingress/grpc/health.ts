import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { PortListener } from "../../../listening/port-listener.ts";

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

/** The standard gRPC health service, with separate names for liveness and readiness. */
export class HealthService {
  readonly #implementation = new HealthImplementation({
    ...Object.fromEntries(livenessNames.map((name) => [name, "SERVING" as const])),
    ...Object.fromEntries(readinessNames.map((name) => [name, "NOT_SERVING" as const])),
  });
  #isReady = false;

  get isReady(): boolean {
    return this.#isReady;
  }

  setReady(isReady: boolean): void {
    if (isReady === this.#isReady) return;
    this.#isReady = isReady;
    for (const name of readinessNames) {
      this.#implementation.setStatus(name, isReady ? "SERVING" : "NOT_SERVING");
    }
  }

  addTo(server: Server): void {
    this.#implementation.addToServer(server);
  }
}

/** The health service on a separate port, in cleartext because kubelets probe without TLS. */
export class HealthServer {
  readonly #server = new Server();
  readonly #listener: PortListener;

  /** @param listener a cleartext listener */
  constructor(health: HealthService, listener: PortListener) {
    health.addTo(this.#server);
    this.#listener = listener;
  }

  listen(address: string, port: number): Promise<number> {
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    return this.#listener.listen(address, port, (socket) => injector.injectConnection(socket));
  }

  close(): void {
    this.#listener.close();
    this.#server.forceShutdown();
  }
}

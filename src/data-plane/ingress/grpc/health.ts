import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { PortListener } from "../../../listening/port-listener.ts";

/** Alive is alive: SERVING for as long as the process answers, also while it drains. */
const livenessNames = ["liveness"];

/**
 * SERVING once there is a pool and until draining begins. The empty name is what a probe without a
 * service name asks for, `inference-extension` what charts of the Inference Extension ask for.
 */
const readinessNames = [
  "readiness",
  "envoy.service.ext_proc.v3.ExternalProcessor",
  "inference-extension",
  "",
];

/** The standard gRPC health service, with liveness apart from readiness. */
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

/** The health service on a port of its own, in cleartext as kubelets ask for it. */
export class HealthServer {
  readonly #server = new Server();
  readonly #listener: PortListener;

  /** @param listener of cleartext */
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

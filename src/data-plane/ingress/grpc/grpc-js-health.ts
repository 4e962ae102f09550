import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { HealthService } from "./health.ts";

/** Serves the standard health service on a server of grpc-js. */
export function serveHealth(health: HealthService, server: Server): void {
  const implementation = new HealthImplementation(Object.fromEntries(health.statuses));
  health.watch(() => {
    for (const [name, status] of health.statuses) implementation.setStatus(name, status);
  });
  implementation.addToServer(server);
}

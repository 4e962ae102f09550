import type { PortListener } from "../../../listening/port-listener.ts";
import type { Clock } from "../../../std/clock.ts";
import { GrpcPort } from "./grpc-port.ts";
import type { HealthService } from "./health.ts";
import { healthMethods } from "./health-methods.ts";

/** Maximum size of a message, which holds the name of a service. */
const receivedBytesMax = 64 * 1024;

/**
 * The health service on a port of its own, in cleartext because kubelets probe without TLS.
 *
 * @param listener a cleartext listener
 */
export function healthPort(
  health: HealthService,
  { listener, clock }: { readonly listener: PortListener; readonly clock: Clock },
): GrpcPort {
  const limits = { receivedBytesMax, sentBytesMax: undefined };
  return new GrpcPort({ listener, clock, ...limits }, healthMethods(health));
}

import {
  GrpcTransport,
  type GrpcTransportOptions,
} from "../data-plane/ingress/ext-proc/grpc-transport.ts";
import { streamsOf } from "../data-plane/ingress/ext-proc/stream-machine.ts";
import { HealthServer, HealthService } from "../data-plane/ingress/grpc/health.ts";
import type { Pipeline } from "../data-plane/pipeline.ts";
import type { Identities } from "../listening/identities.ts";
import { PortListener } from "../listening/port-listener.ts";
import type { Clock } from "../std/clock.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Front } from "./front.ts";
import type { Readiness } from "./readiness.ts";

/** The ext_proc port and that of the health service. Port 0 means any free port. */
export interface ExtProcOptions extends Pick<
  GrpcTransportOptions,
  "receivedBytesMax" | "sentBytesMax"
> {
  readonly kind: "ext-proc";
  readonly port: number;
  /** True if this port also answers health checks. */
  readonly hasHealth: boolean;
  readonly healthPort: number;
  readonly bodyBytesMax: number;
}

interface ExtProcDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly identities: Identities;
  readonly readiness: Readiness;
  readonly dataPlane: Pipeline;
}

/** Requests come in as ext_proc streams of a proxy. */
export function extProcFront(options: ExtProcOptions, deps: ExtProcDeps): Front {
  const { readiness, identities, dataPlane } = deps;
  const health = new HealthService();
  readiness.onChange((isReady) => health.setReady(isReady));
  const healthServer = new HealthServer(health, new PortListener({ kind: "cleartext" }, deps));
  const ingress = new GrpcTransport(
    {
      listener: new PortListener(identities.grpc, deps),
      receivedBytesMax: options.receivedBytesMax,
      sentBytesMax: options.sentBytesMax,
      health: options.hasHealth ? health : undefined,
    },
    streamsOf({ dataPlane, bodyBytesMax: options.bodyBytesMax }),
  );
  return {
    ingress,
    listen: async (bindAddress) => ({
      health: await healthServer.listen(bindAddress, options.healthPort),
      grpc: await ingress.listen(bindAddress, options.port),
    }),
    close: () => healthServer.close(),
  };
}

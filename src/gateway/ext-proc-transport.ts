import { createTransport } from "../data-plane/ingress/ext-proc/create-transport.ts";
import type { StreamOptions } from "../data-plane/ingress/ext-proc/stream-steps.ts";
import { streamsOf } from "../data-plane/ingress/ext-proc/stream-machine.ts";
import type { HealthService } from "../data-plane/ingress/grpc/health.ts";
import type { Ingress } from "../data-plane/ingress/ingress.ts";
import { type Accepted, PortListener } from "../listening/port-listener.ts";
import type { Clock } from "../std/clock.ts";
import type { ThreadOptions } from "./ext-proc-front.ts";

interface TransportDeps extends Pick<StreamOptions, "dataPlane"> {
  readonly accepted: Accepted;
  readonly health: HealthService;
  readonly clock: Clock;
  readonly log: { warn(fields: object, message: string): void };
  /** True if other threads listen on the same port. */
  readonly sharesPort?: boolean;
}

/** The ext_proc port of this thread. */
export function transportOf(
  options: Omit<ThreadOptions, "tls">,
  { accepted, health, dataPlane, ...deps }: TransportDeps,
): Ingress {
  const { transport, receivedBytesMax, sentBytesMax, hasHealth, bodyBytesMax } = options;
  // Frames of our own take any name.
  const mendsNames = transport === "grpc-js";
  return createTransport(
    transport,
    {
      listener: new PortListener(accepted, { ...deps, mendsNames }),
      clock: deps.clock,
      receivedBytesMax,
      sentBytesMax,
      health: hasHealth ? health : undefined,
    },
    streamsOf({ dataPlane, bodyBytesMax }),
  );
}

import { loadTransport } from "../data-plane/ingress/ext-proc/load-transport.ts";
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

/** Makes the ext_proc port of this thread. */
export type MakeTransport = (deps: TransportDeps) => Ingress;

export async function transportBy(options: Omit<ThreadOptions, "tls">): Promise<MakeTransport> {
  const { transport, receivedBytesMax, sentBytesMax, hasHealth, bodyBytesMax, waitTimeoutMs } =
    options;
  const Transport = await loadTransport(transport);
  // Frames of our own take any name.
  const mendsNames = transport === "grpc-js";
  return ({ accepted, health, dataPlane, ...deps }) =>
    new Transport(
      {
        listener: new PortListener(accepted, { ...deps, mendsNames }),
        clock: deps.clock,
        receivedBytesMax,
        sentBytesMax,
        health: hasHealth ? health : undefined,
      },
      streamsOf({ dataPlane, bodyBytesMax, waitTimeoutMs }),
    );
}

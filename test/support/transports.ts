import {
  loadTransport,
  type TransportKind,
} from "../../src/data-plane/ingress/ext-proc/load-transport.ts";
import type {
  OpenStream,
  TransportOptions,
} from "../../src/data-plane/ingress/ext-proc/transport.ts";
import type { Ingress } from "../../src/data-plane/ingress/ingress.ts";
import { PortListener } from "../../src/listening/port-listener.ts";
import { systemClock } from "../../src/std/clock.ts";

/** Every implementation of gRPC on the ext_proc port. */
export const transportKinds: readonly TransportKind[] = ["http2", "grpc-js"];

/** A transport in cleartext, which does not listen yet. */
export async function aTransport(
  kind: TransportKind,
  open: OpenStream,
  options: Partial<TransportOptions> = {},
): Promise<Ingress> {
  const clock = options.clock ?? systemClock;
  const listener = new PortListener(
    { kind: "cleartext" },
    { clock, log: { warn() {} }, mendsNames: kind === "grpc-js" },
  );
  const Transport = await loadTransport(kind);
  return new Transport(
    {
      listener,
      clock,
      receivedBytesMax: 2 ** 21,
      sentBytesMax: undefined,
      health: undefined,
      ...options,
    },
    open,
  );
}

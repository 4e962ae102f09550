import type { Duplex } from "node:stream";

/** The side of the client, whose timer runs while no byte passes. */
export interface TunnelClient extends Duplex {
  setTimeout(idleMs: number, task: () => void): unknown;
}

/**
 * Passes bytes both ways. A side that ends its half still receives the other one; if a side breaks, so does the other. The
 * tunnel ends after `idleMs` without a byte either way; 0 for no limit.
 */
export function joinTunnel(client: TunnelClient, engine: Duplex, idleMs: number): void {
  for (const [from, to] of [
    [client, engine],
    [engine, client],
  ] as const) {
    from.allowHalfOpen = true;
    from.on("error", () => void to.destroy());
    from.on("close", () => {
      // The other side gets all that was sent before an orderly end.
      if (from.readableEnded && !to.writableFinished) to.end(() => void to.destroy());
      else to.destroy();
    });
    from.pipe(to);
  }
  // Bytes of both directions pass through the client's socket.
  client.setTimeout(idleMs, () => {
    // First, so that it does not wait for an engine to take the rest.
    engine.destroy();
    client.destroy();
  });
}

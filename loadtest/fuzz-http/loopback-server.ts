import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

/** A server of the load program itself, on a free port of the loopback address. */
export interface LoopbackServer {
  readonly port: number;
  readonly openConnections: () => number;
  close(): void;
}

/** Lets a server listen. `sockets`: its open connections, which closing it ends. */
export async function listening(
  server: Server,
  sockets: ReadonlySet<Socket>,
): Promise<LoopbackServer> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    // A server that listens on TCP has an address with a port.
    port: (server.address() as AddressInfo).port,
    openConnections: () => sockets.size,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

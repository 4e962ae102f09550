import { connect, createServer, type Socket } from "node:net";
import { listening, type LoopbackServer } from "./loopback-server.ts";
import type { Ledger } from "./ledger.ts";
import { strictRequestIn } from "./strict-http.ts";

/** Stands in front of a simulated engine, passes bytes both ways, and reads what the gateway sends by the letter. */
export async function openTap(enginePort: number, ledger: Ledger): Promise<LoopbackServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const engine = connect(enginePort, "127.0.0.1");
    const reader = new TapReader(ledger);
    socket.on("data", (chunk: Buffer) => reader.push(chunk));
    for (const [from, to] of [
      [socket, engine],
      [engine, socket],
    ] as const) {
      from.on("error", () => void to.destroy());
      from.on("close", () => void to.destroy());
      from.pipe(to);
    }
    socket.on("close", () => sockets.delete(socket));
  });
  return listening(server, sockets);
}

/** Finds whole requests in the bytes of one connection. */
class TapReader {
  readonly #ledger: Ledger;
  #bytes = "";
  #isInvalid = false;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  push(chunk: Buffer): void {
    if (this.#isInvalid) return;
    this.#bytes += chunk.toString("latin1");
    while (this.#bytes !== "") {
      const result = strictRequestIn(this.#bytes, 0);
      if (result.kind === "incomplete") return;
      if (result.kind === "invalid") {
        this.#isInvalid = true;
        const sent = JSON.stringify(this.#bytes.slice(0, 400));
        return this.#ledger.note(`the gateway sent invalid HTTP, ${result.reason}: ${sent}`);
      }
      this.#bytes = this.#bytes.slice(result.end);
      this.#ledger.saw(result.request);
    }
  }
}

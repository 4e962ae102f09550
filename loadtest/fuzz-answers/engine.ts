import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import type { Pick } from "../fuzz-http/pick.ts";
import { answerCaseOf } from "./answer-cases.ts";

/** Bytes of requests that are kept to find their ends. */
const seenMax = 65_536;

export interface HostileEngine {
  readonly port: number;
  readonly openConnections: () => number;
  close(): void;
}

/** An engine that answers each request with something odd, cut anywhere, and sometimes sends more than it was asked for. */
export async function startHostileEngine(pick: Pick): Promise<HostileEngine> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
    let seen = "";
    socket.on("data", (bytes) => {
      seen = (seen + bytes.toString("latin1")).slice(-seenMax);
      const end = seen.indexOf("\r\n\r\n");
      if (end === -1) return;
      const id = /^GET \/(\w+) /u.exec(seen)?.[1] ?? "none";
      seen = seen.slice(end + 4);
      void answer(socket, { pick, id });
    });
  });
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

async function answer(socket: Socket, { pick, id }: { pick: Pick; id: string }): Promise<void> {
  const { text, rest, ends } = answerCaseOf(pick, id);
  for (let from = 0; from < text.length && !socket.destroyed;) {
    const end = pick.chance(0.5) ? text.length : Math.min(text.length, from + 1 + pick.below(400));
    // A client cannot tell bytes that come later from the answer to its next request.
    socket.write(`${text.slice(from, end)}${end === text.length ? rest : ""}`, "latin1");
    from = end;
    if (pick.chance(0.5)) await new Promise((resolve) => void setImmediate(resolve));
  }
  if (ends === "closed") socket.end();
  if (ends === "reset") socket.resetAndDestroy();
}

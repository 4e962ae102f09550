import { createServer, type Socket } from "node:net";
import { listening, type LoopbackServer } from "../fuzz-http/loopback-server.ts";
import type { Pick } from "../fuzz-http/pick.ts";
import { answerCaseOf } from "./answer-cases.ts";

/** Bytes of requests that are kept to find their ends. */
const seenMax = 65_536;

/** An engine that answers each request with something odd, cut anywhere, and sometimes sends more than it was asked for. */
export async function startHostileEngine(pick: Pick): Promise<LoopbackServer> {
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
  return listening(server, sockets);
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

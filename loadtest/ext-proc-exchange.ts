import { readFileSync } from "node:fs";
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2";
import { type Exchange, MessageCounter } from "./ext-proc-messages.ts";

const methodPath = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

function begin(session: ClientHttp2Session): ClientHttp2Stream {
  return session.request({
    ":method": "POST",
    ":path": methodPath,
    "content-type": "application/grpc",
    te: "trailers",
  });
}

/** One request, whole; resolves to the milliseconds until it was picked. */
export function runExchange(session: ClientHttp2Session, exchange: Exchange): Promise<number> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    let pickMs = 0;
    const counter = new MessageCounter();
    const stream = begin(session);
    stream.on("data", (chunk: Buffer) => {
      counter.push(chunk);
      if (pickMs === 0 && counter.count >= exchange.requestAnswers) {
        pickMs = performance.now() - startMs;
        stream.end(exchange.response);
      }
    });
    stream.on("error", reject);
    stream.on("close", () => {
      // A picker may send the body on in more pieces.
      if (counter.count >= exchange.requestAnswers + 2) resolve(pickMs);
      else reject(new Error(`the stream closed after ${counter.count} answers`));
    });
    stream.write(exchange.request);
  });
}

/** A request that is picked and not answered until it is let go: its endpoint is busy meanwhile. */
export function holdExchange(
  session: ClientHttp2Session,
  exchange: Exchange,
): Promise<{ end(): void }> {
  return new Promise((resolve, reject) => {
    const counter = new MessageCounter();
    const stream = begin(session);
    stream.on("data", (chunk: Buffer) => {
      counter.push(chunk);
      if (counter.count >= exchange.requestAnswers) resolve({ end: () => stream.close() });
    });
    stream.on("error", reject);
    stream.write(exchange.request);
  });
}

/** User and system time of a process so far, from the kernel's own accounting (100 ticks a second). */
export function cpuMsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

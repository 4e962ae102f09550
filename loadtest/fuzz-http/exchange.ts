import { connect, type Socket } from "node:net";
import { systemClock } from "../../src/std/clock.ts";
import type { FuzzCase } from "./http1-cases.ts";
import { frameTypes } from "./http2-frames.ts";
import type { Pick } from "./pick.ts";

/** Milliseconds without a byte after which no further answer is awaited. */
const quietMs = 40;
/** The same before the first byte, which a busy machine delays. */
const silentMs = 250;
const validMsMax = 30_000;
const readBytesMax = 4_000_000;

/**
 * Sends a case in pieces, reads what comes back, and leaves in one of several ways. Resolves to the statuses of HTTP/1.1,
 * or to 0 for each head of HTTP/2.
 */
export async function exchangeCase(
  port: number,
  each: FuzzCase,
  pick: Pick,
): Promise<readonly number[]> {
  const socket = connect(port, "127.0.0.1");
  const reader = new Reader(socket);
  // The choices of a seed do not depend on time.
  const pieces = piecesOf(each.bytes, pick);
  const leave = leaveOf(pick);
  for (const piece of pieces) {
    if (socket.destroyed) break;
    socket.write(piece);
    if (pieces.length > 1) await systemClock.sleep(1);
  }
  const expected = each.isValid ? each.allowed.length : undefined;
  await reader.settled(expected);
  const statuses = reader.statuses();
  leave(socket);
  return statuses;
}

function piecesOf(bytes: Buffer, pick: Pick): Buffer[] {
  const cuts = Array.from({ length: pick.below(4) }, () => pick.below(bytes.length + 1));
  const edges = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
  return edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
}

function leaveOf(pick: Pick): (socket: Socket) => void {
  return pick.of([
    (socket: Socket) => void socket.destroy(),
    (socket: Socket) => void socket.resetAndDestroy(),
    (socket: Socket) => void socket.end(() => socket.destroy()),
  ]);
}

class Reader {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #lastMs = systemClock.nowMs();

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => undefined);
    socket.on("data", (chunk: Buffer) => {
      this.#lastMs = systemClock.nowMs();
      this.#bytes += chunk.length;
      if (this.#bytes < readBytesMax) this.#chunks.push(chunk);
    });
    socket.on("end", () => socket.destroy());
  }

  /** Resolves once so many answers have come, or none has come for a while. */
  async settled(expected: number | undefined): Promise<void> {
    const startMs = systemClock.nowMs();
    this.#lastMs = startMs;
    while (!this.#socket.destroyed) {
      await systemClock.sleep(5);
      const nowMs = systemClock.nowMs();
      const isQuiet = nowMs - this.#lastMs > (this.#bytes === 0 ? silentMs : quietMs);
      if (expected === undefined ? isQuiet : this.statuses().length >= expected) return;
      if (nowMs - startMs > validMsMax) return;
    }
  }

  statuses(): readonly number[] {
    const bytes = Buffer.concat(this.#chunks);
    return bytes.subarray(0, 5).toString("latin1") === "HTTP/" ? statusesIn(bytes) : headsIn(bytes);
  }
}

/** An answer begins the connection, or follows the end of the one before. */
function statusesIn(bytes: Buffer): number[] {
  const found = bytes.toString("latin1").matchAll(/HTTP\/1\.1 (\d{3}) /gu);
  return [...found].map(([, status]) => Number(status)).filter((status) => status >= 200);
}

function headsIn(bytes: Buffer): number[] {
  const heads: number[] = [];
  let at = 0;
  while (at + 9 <= bytes.length) {
    if (bytes[at + 3] === frameTypes.headers) heads.push(0);
    at += 9 + bytes.readUIntBE(at, 3);
  }
  return heads;
}

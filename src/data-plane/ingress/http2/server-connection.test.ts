import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { nextTurn, StoppedClock } from "#test/support/stopped-clock.ts";
import {
  blockOf,
  frameOf,
  frameTypes,
  preface,
  settingsOf,
} from "../../../../loadtest/fuzz-http/http2-frames.ts";
import { EventLoopTurn } from "../../../std/event-loop-turn.ts";
import { errorCode, frameFlag } from "./frame-types.ts";
import { Slabs } from "./output.ts";
import { ServerConnection } from "./server-connection.ts";

/** Requests of about 4 KB each, all on one connection. */
function manyRequests(count: number): Buffer {
  const block = blockOf([
    [":method", "POST"],
    [":scheme", "http"],
    [":path", "/a"],
    [":authority", "picker"],
    ["x-long", "x".repeat(4_000)],
  ]);
  const flags = frameFlag.endHeaders | frameFlag.endStream;
  const requests = Array.from({ length: count }, (_, index) =>
    frameOf(frameTypes.headers, flags, 2 * index + 1, block),
  );
  return Buffer.concat([preface, settingsOf([]), ...requests]);
}

describe("a connection that sends much at once", () => {
  it("leaves the event loop to others after a few milliseconds of requests", async () => {
    const clock = new StoppedClock();
    const turn = new EventLoopTurn(clock);
    const slabs = new Slabs();
    const count = 1_000;
    const served: number[] = [];
    let turns = 0;
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      const connection = new ServerConnection(socket, {
        ...{ slabs, turn, clock, onClosed: () => undefined },
        serve: (stream) => {
          served.push(turns);
          clock.pass(1);
          queueMicrotask(() => stream.reset(errorCode.noError));
          return { data: () => undefined, ended: () => undefined, closed: () => undefined };
        },
      });
      socket.on("close", () => connection.destroy());
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    client.on("error", () => undefined).resume();
    client.write(manyRequests(count));
    for (; served.length < count; turns += 1) await nextTurn();
    client.destroy();
    server.close();
    const servedInTurns = Array.from({ length: turns + 1 }, () => 0);
    for (const at of served) servedInTurns[at] = (servedInTurns[at] ?? 0) + 1;
    // Two reads of 64 KB: one that was begun before the turn was over, and the next one.
    expect(Math.max(...servedInTurns)).toBeLessThanOrEqual(40);
  });
});

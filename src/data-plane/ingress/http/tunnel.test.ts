import { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { joinTunnel } from "./tunnel.ts";

describe("a tunnel that was idle for too long", () => {
  it("closes an engine that does not take the last bytes of the client", async () => {
    const engine = new Duplex({ read: () => undefined, write: () => undefined });
    const timers: (() => void)[] = [];
    const client = Object.assign(
      new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() }),
      { setTimeout: (_ms: number, task: () => void) => timers.push(task) },
    );
    joinTunnel(client, engine, 1_000);
    client.push("last bytes");
    client.push(null);
    await setImmediate();
    expect([client.readableEnded, engine.destroyed]).toEqual([true, false]);
    for (const expire of timers) expire();
    await setImmediate();
    expect([client.destroyed, engine.destroyed]).toEqual([true, true]);
  });
});

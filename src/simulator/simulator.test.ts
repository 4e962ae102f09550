import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../std/clock.ts";
import { startSimulator } from "./simulator.ts";
import { DEPS, SimulatorFixture, until } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

/** A server on `port`; rejects if the port is in use. */
function listening(port: number): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/** The first of `length` consecutive ports that are all free, found from one the system gives. */
async function freeRange(length: number): Promise<number> {
  const first = await listening(0);
  const address = first.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const others = await Promise.allSettled(
    Array.from({ length: length - 1 }, (_, index) => listening(port + 1 + index)),
  );
  first.close();
  for (const other of others) if (other.status === "fulfilled") other.value.close();
  return others.every(({ status }) => status === "fulfilled") ? port : freeRange(length);
}

describe("startSimulator", () => {
  it("opens consecutive ports and the admin port after them", async () => {
    const first = await freeRange(4);
    await sim.start({ engines: 3, port: first });
    expect(sim.simulator.engines).toMatchObject([
      { name: "engine-0", address: "127.0.0.1", port: first },
      { name: "engine-1", port: first + 1 },
      { name: "engine-2", port: first + 2 },
    ]);
    expect(sim.simulator.adminPort).toBe(first + 3);
  });

  it("names a port that is in use and closes all ports opened before", async () => {
    const first = await freeRange(3);
    const other = await listening(first + 1);
    try {
      await expect(sim.start({ engines: 2, port: first })).rejects.toThrow(
        `cannot listen on 127.0.0.1:${first + 1}: the port is in use`,
      );
      for (const opened of [await listening(first), await listening(first + 2)]) opened.close();
    } finally {
      other.close();
    }
  });

  it("leaves nothing open or running when it is closed", async () => {
    const timers = new Set<() => void>();
    const clock: Clock = {
      ...systemClock,
      after(delayMs, task) {
        const cancel = systemClock.after(delayMs, () => {
          timers.delete(cancel);
          task();
        });
        timers.add(cancel);
        return () => {
          timers.delete(cancel);
          cancel();
        };
      },
    };
    const simulator = await startSimulator({ engines: 2, port: 0 }, { ...DEPS, clock });
    const [first, second] = simulator.engines;
    const request = { method: "POST", body: '{"prompt":"x","max_tokens":9999}' };
    const url = `http://127.0.0.1:${first?.port}/v1/completions`;
    const cut = fetch(url, request).catch((error: unknown) => error);
    await until(async () => timers.size > 0);
    await simulator.close();
    expect(await cut).toBeInstanceOf(TypeError);
    expect(timers.size).toBe(0);
    const ports = [first?.port ?? 0, second?.port ?? 0, simulator.adminPort];
    const servers = await Promise.all(ports.map((port) => listening(port)));
    for (const server of servers) server.close();
  });

  it.each([
    [{ engines: 0 }, "engines: must be an integer from 1 to 1024, got 0"],
    [{ port: 65_535, engines: 2 }, "port: must be an integer from 0 to 65534"],
    [{ adapters: ["a", "a"] }, "adapters: must be distinct names"],
    [{ model: "a", adapters: ["a"] }, "adapters: must be distinct names"],
    [{ settings: { slowFactor: -1 } }, "slowFactor: must be a number"],
  ])("refuses %j", async (options, message) => {
    await expect(startSimulator({ port: 0, ...options }, DEPS)).rejects.toThrow(message);
  });
});

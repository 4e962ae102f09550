import { afterEach, describe, expect, it } from "vitest";
import { isRecord } from "../json.ts";
import { SimulatorFixture, until } from "#test/support/simulator-fixture.ts";

const sim = new SimulatorFixture();

afterEach(() => sim.stop());

describe("admin endpoint", () => {
  it("shows every engine with its settings and its state", async () => {
    await sim.start({ engines: 2 });
    expect(await sim.state("/engines")).toMatchObject({
      engines: [
        {
          name: "engine-0",
          settings: { slowFactor: 1, hang: false },
          snapshot: { kvUsedRatio: 0 },
        },
        { name: "engine-1", address: "127.0.0.1", port: sim.simulator.engines[1]?.port },
      ],
    });
  });

  it("changes one engine and not its neighbours", async () => {
    await sim.start({ engines: 2 });
    const response = await sim.admin("PATCH", "/engines/engine-1", {
      slowFactor: 4,
      outputTokens: 9,
    });
    expect(await response.json()).toMatchObject({ settings: { slowFactor: 4, outputTokens: 9 } });
    expect(await sim.state("/engines/engine-0")).toMatchObject({ settings: { slowFactor: 1 } });
  });

  it("changes one setting of all engines and keeps their other settings", async () => {
    await sim.start({ engines: 2 });
    await sim.admin("PATCH", "/engines/engine-1", { slowFactor: 4 });
    await sim.admin("PATCH", "/engines", { outputTokens: 9 });
    expect(await sim.state("/engines")).toMatchObject({
      engines: [
        { settings: { slowFactor: 1, outputTokens: 9 } },
        { settings: { slowFactor: 4, outputTokens: 9 } },
      ],
    });
  });

  it.each([
    [{ slowFactor: 2, slowness: 3 }, "slowness: unknown setting"],
    [{ slowFactor: 2, errorRatio: 3 }, "errorRatio: must be a number from 0 to 1, got 3"],
  ])("refuses %j and applies none of it", async (body, message) => {
    await sim.start({ engines: 2 });
    const response = await sim.admin("PATCH", "/engines", body);
    expect(response.status).toBe(400);
    expect(await response.text()).toContain(message);
    expect(await sim.state()).toMatchObject({ settings: { slowFactor: 1 } });
  });

  it("restarts an engine with a cold cache", async () => {
    await sim.start();
    await (await sim.chat()).text();
    expect((await sim.admin("POST", "/engines/engine-0/restart")).status).toBe(200);
    const answer: unknown = await (await sim.chat()).json();
    expect(answer).toMatchObject({ usage: { prompt_tokens_details: { cached_tokens: 0 } } });
  });

  it("fails the requests that are running at a restart", async () => {
    await sim.start({ settings: { slowFactor: 1_000 } });
    const caught = sim.chat();
    await until(async () => {
      const state = await sim.state();
      return (
        isRecord(state) && isRecord(state["snapshot"]) && state["snapshot"]["runningRequests"] === 1
      );
    });
    await sim.admin("POST", "/engines/restart");
    expect((await caught).status).toBe(500);
  });

  it.each([
    ["GET", "/", 404],
    ["GET", "/engines/engine-9", 404],
    ["GET", "/engines/engine-0/more", 404],
    ["DELETE", "/engines", 405],
    ["GET", "/engines/engine-0/restart", 405],
  ])("answers %s %s with status %i", async (method, path, status) => {
    await sim.start();
    expect((await sim.admin(method, path)).status).toBe(status);
  });
});

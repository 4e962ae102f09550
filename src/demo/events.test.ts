import { describe, expect, it } from "vitest";
import { Events, healthTextOf } from "./events.ts";

describe("healthTextOf", () => {
  it.each([
    [
      { endpoint: "default/engine-1", reason: "failures", msg: "endpoint ejected" },
      "ejects engine-1: its answers fail",
    ],
    [
      { endpoint: "engine-1", reason: "a new reason", msg: "endpoint ejected" },
      "ejects engine-1: a new reason",
    ],
    [
      { endpoint: "default/engine-1", reason: "slow", msg: "endpoint returned" },
      "sends requests to engine-1 again",
    ],
    [{ endpoint: "default/engine-1", msg: "endpoint metrics restored" }, undefined],
    [{ msg: "endpoint ejected" }, undefined],
    [{ path: "/", msg: "request" }, undefined],
  ])("puts %j in words", (fields, text) => {
    expect(healthTextOf(JSON.stringify({ level: "warn", ...fields }))).toBe(text);
  });

  it("passes over lines that only look like one", () => {
    expect(healthTextOf('{"msg":"endpoint ejected')).toBeUndefined();
  });
});

describe("Events", () => {
  it("keeps the latest, oldest first", () => {
    const events = new Events();
    for (let index = 0; index < 150; index += 1) events.add({ seconds: index, text: "x" });
    expect(events.latest).toHaveLength(100);
    expect([events.latest[0]?.seconds, events.latest.at(-1)?.seconds]).toEqual([50, 149]);
  });
});

import { describe, expect, it } from "vitest";
import { hostPortOf } from "./host-port.ts";

describe("hostPortOf", () => {
  it.each([
    ["10.0.0.1", 8_000, "10.0.0.1:8000"],
    ["fd00::1", 8_000, "[fd00::1]:8000"],
    ["::1", 1, "[::1]:1"],
    ["::ffff:10.0.0.1", 65_535, "[::ffff:10.0.0.1]:65535"],
  ])("writes %s and %i as %s", (address, port, hostPort) => {
    expect(hostPortOf(address, port)).toBe(hostPort);
  });
});

import { describe, expect, it } from "vitest";
import { itKeepsTheProfileHandlerContract } from "#test/contract/profile-handler.ts";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { buildHandler } from "#test/support/build-plugin.ts";
import { dataParallelProfileHandler } from "./data-parallel.ts";

const handler = buildHandler(dataParallelProfileHandler, {});

describe("data-parallel-profile-handler", () => {
  itKeepsTheProfileHandlerContract(handler, ["default"]);

  it.each([
    { address: "10.0.0.1", destination: "10.0.0.1:8000", rank: "10.0.0.1:8003" },
    { address: "fd00::1", destination: "[fd00::1]:8000", rank: "[fd00::1]:8003" },
  ])("sends to the first port of $address and names the rank", (row) => {
    const endpoint = anEndpoint({ address: row.address, port: 8_003 });
    expect(handler.dispatch?.(aContext(), endpoint)).toEqual({
      hostPort: row.destination,
      requestHeaders: [["x-data-parallel-host-port", row.rank]],
    });
  });

  it("sends to the configured port", () => {
    const other = buildHandler(dataParallelProfileHandler, { primaryPort: 9_000 });
    expect(other.dispatch?.(aContext(), anEndpoint({ address: "10.0.0.1" }))).toMatchObject({
      hostPort: "10.0.0.1:9000",
    });
  });

  it("requires exactly one profile", () => {
    expect(handler.mistakeIn([])).toMatch(/exactly one scheduling profile, but there are 0/);
    expect(handler.mistakeIn(["a", "b"])).toMatch(
      /exactly one scheduling profile, but there are 2/,
    );
  });

  it.each([{ primaryPort: 0 }, { primaryPort: 65_536 }, { primaryPort: "8000" }, { port: 1 }])(
    "refuses %j",
    (parameters) => {
      expect(dataParallelProfileHandler.load(parameters).kind).toBe("invalid");
    },
  );
});

import { describe, expect, it } from "vitest";
import type { SessionHome } from "../../../core/session-home.ts";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";
import { aContext, endpoints } from "#test/support/builders.ts";
import { buildFilter, needsOf } from "#test/support/build-plugin.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { storedResponseFilter } from "./stored-response.ts";

const pool = endpoints(3);
const home: SessionHome = { slot: 1, contextTokens: 900, usedAtMs: 0, isStored: true };

function kept(found: SessionHome | undefined, candidates = pool) {
  const data = found === undefined ? {} : { "session-home": found };
  return buildFilter(storedResponseFilter, {}, pluginDeps({ data }))
    .filter(aContext({ endpoints: pool }), candidates)
    .map(({ slot }) => slot);
}

describe("stored-response-filter", () => {
  itKeepsTheFilterContract(
    buildFilter(storedResponseFilter, {}, pluginDeps({ data: { "session-home": home } })),
  );

  it("keeps the endpoint that stores the response", () => {
    expect(kept(home)).toEqual([1]);
  });

  it.each([
    ["nothing is known", undefined],
    ["the session has a home, and nothing is stored", { ...home, isStored: false }],
    ["the endpoint is not a candidate", { ...home, slot: 7 }],
  ])("keeps all if %s", (_, found) => {
    expect(kept(found)).toEqual([0, 1, 2]);
  });

  it("reads the producer that the document names", () => {
    expect(needsOf(storedResponseFilter, { homeProducer: "homes" })).toEqual([
      { kind: "data", data: "session-home", producer: "homes", path: ["homeProducer"] },
    ]);
  });
});

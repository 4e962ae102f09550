import { describe, expect, it } from "vitest";
import { enginesOf } from "./engines.ts";

describe("enginesOf", () => {
  it("reads the simulator's page", () => {
    const snapshot = {
      ...{ waitingRequests: 1, runningRequests: 2, kvUsedRatio: 0.25 },
      ...{ prefixQueryTokensTotal: 400, prefixHitTokensTotal: 100 },
    };
    const page = { engines: [{ name: "engine-0", address: "127.0.0.1", port: 8_200, snapshot }] };
    expect(enginesOf(JSON.stringify(page))).toEqual([
      {
        ...{ name: "engine-0", hostPort: "127.0.0.1:8200" },
        ...{ waitingRequests: 1, runningRequests: 2, kvUsedRatio: 0.25, hitRatio: 0.25 },
      },
    ]);
  });

  it("has no hit ratio before the first prompt", () => {
    const page = { engines: [{ name: "engine-0", address: "127.0.0.1", port: 1, snapshot: {} }] };
    expect(enginesOf(JSON.stringify(page))[0]?.hitRatio).toBeUndefined();
  });

  it.each(["", "{}", "[]", '{"engines":{}}', '{"engines":[null,1,{"name":"x"}]}'])(
    "finds none in %j",
    (page) => {
      expect(enginesOf(page)).toEqual([]);
    },
  );
});

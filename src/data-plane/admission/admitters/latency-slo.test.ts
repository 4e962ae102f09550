import { describe, expect, it } from "vitest";
import type { Headrooms } from "../../../core/latency-prediction.ts";
import { itKeepsTheAdmitterContract } from "#test/contract/admitter.ts";
import {
  aContext,
  aHead,
  aLoad,
  aPrediction,
  aRequest,
  endpoints,
  type LoadRow,
} from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { latencySloAdmitter } from "./latency-slo.ts";

const admitterFor = (...headrooms: (Headrooms | undefined)[]) =>
  latencySloAdmitter.create(
    {},
    pluginDeps({
      data: { "latency-prediction": aPrediction({ headrooms: (slot) => headrooms[slot] }) },
    }),
  );

const late = { ttftMs: -10, tpotMs: 5 };
const inTime = { ttftMs: 10, tpotMs: 0 };
const busy: LoadRow = { runningRequests: 3, kvCacheUsedRatio: 0.5 };

const withSlo = aHead({ headers: new Map([["x-llm-d-slo-ttft-ms", "200"]]) });

function verdict(headrooms: (Headrooms | undefined)[], rows: readonly LoadRow[], head = withSlo) {
  const context = aContext({ request: aRequest({ priority: -1, head }), load: aLoad(rows) });
  return admitterFor(...headrooms).admit(context, endpoints(rows.length))?.code;
}

describe("latency-slo-admitter", () => {
  itKeepsTheAdmitterContract(admitterFor(late, late));

  it("refuses if no endpoint is predicted to meet the objective", () => {
    expect(verdict([late, late], [busy, busy])).toBe("saturated");
  });

  it("admits if one endpoint is predicted to meet the objective", () => {
    expect(verdict([late, inTime], [busy, busy])).toBeUndefined();
  });

  it("admits if one endpoint is idle or cold", () => {
    expect(verdict([late, late], [busy, { ...busy, runningRequests: 0 }])).toBeUndefined();
    expect(verdict([late, late], [busy, { ...busy, kvCacheUsedRatio: 0.01 }])).toBeUndefined();
    expect(verdict([late, late], [busy, { ...busy, kvCacheUsedRatio: 0.02 }])).toBe("saturated");
  });

  it("admits a request without predictions", () => {
    expect(verdict([undefined, undefined], [busy, busy])).toBeUndefined();
  });

  it("admits a request without an objective", () => {
    expect(verdict([late], [busy], aHead())).toBeUndefined();
  });
});

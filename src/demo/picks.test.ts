import { describe, expect, it } from "vitest";
import { decisionTimesOf, Picks } from "./picks.ts";

const line = (fields: object) => JSON.stringify({ level: "info", ...fields, msg: "request" });

describe("Picks", () => {
  it("keeps what the request lines say, newest first", () => {
    const picks = new Picks();
    picks.hear(line({ path: "/v1/models", endpoint: "127.0.0.1:1", status: 200 }));
    picks.hear(
      line({
        ...{ path: "/v1/chat/completions", api: "chat", model: "m", streaming: true },
        ...{
          endpoint: "127.0.0.1:2",
          predictedTtftMs: 45.5,
          candidates: 4,
          decidedMs: 0.2,
          durationMs: 90,
        },
      }),
    );
    expect(picks.latest.map(({ endpoint }) => endpoint)).toEqual(["127.0.0.1:2", "127.0.0.1:1"]);
    expect(picks.latest[0]).toEqual({
      ...{ path: "/v1/chat/completions", api: "chat", model: "m", isStream: true },
      isRefused: false,
      ...{
        endpoint: "127.0.0.1:2",
        predictedTtftMs: 45.5,
        candidates: 4,
        decidedMs: 0.2,
        durationMs: 90,
      },
    });
  });

  it("tells requests that were refused from those that the picker answered itself", () => {
    const picks = new Picks();
    picks.hear(line({ path: "/v1/models", status: 200 }));
    picks.hear(line({ path: "/v1/completions", status: 404, refused: "unknown_model" }));
    expect(picks.latest.map(({ isRefused }) => isRefused)).toEqual([true, false]);
  });

  it("passes over all other lines", () => {
    const picks = new Picks();
    for (const other of ["", "oops", '{"msg":"listening"}', '{"msg":"request"', "(node) warning"]) {
      picks.hear(other);
    }
    expect(picks.latest).toEqual([]);
  });

  it("keeps a limited number", () => {
    const picks = new Picks();
    for (let index = 0; index < 1_000; index += 1) picks.hear(line({ path: `/${index}` }));
    expect(picks.latest).toHaveLength(100);
    expect(picks.latest[0]?.path).toBe("/999");
  });
});

describe("decisionTimesOf", () => {
  it("reads the picker's own histogram", () => {
    const page = [
      "# TYPE llm_d_epp_scheduler_e2e_duration_seconds histogram",
      'llm_d_epp_scheduler_e2e_duration_seconds_bucket{le="+Inf"} 4',
      "llm_d_epp_scheduler_e2e_duration_seconds_sum 0.002",
      "llm_d_epp_scheduler_e2e_duration_seconds_count 4",
    ].join("\n");
    // 2 ms over 4 decisions.
    expect(decisionTimesOf(page)).toEqual({ decisions: 4, meanMs: 0.5 });
  });

  it("knows none where there were none", () => {
    expect(decisionTimesOf("")).toEqual({ decisions: 0, meanMs: undefined });
  });
});

import { Registry } from "prom-client";
import { describe, expect, it } from "vitest";
import { unreadReasons, type UnreadReason } from "../core/parse-result.ts";
import { aHead, aRecord } from "#test/support/builders.ts";
import { gatheredLog } from "#test/support/log-lines.ts";
import { SkippedRules } from "./skipped-rules.ts";

function someRules() {
  const registry = new Registry();
  const { log, written } = gatheredLog("warn");
  const rules = new SkippedRules(registry, log);
  return {
    written,
    ended: (unread: UnreadReason | undefined, endedMs: number) =>
      rules.ended(
        aRecord({ unread, endedMs, head: aHead({ id: "r-1", path: "/v1/score?key=x" }) }),
      ),
    counts: async () => {
      const [family] = await registry.getMetricsAsJSON();
      return family?.values.map(({ labels, value }) => `${labels["reason"]} ${value}`);
    },
  };
}

describe("rules that were not applied", () => {
  it("are counted by reason, from 0 on", async () => {
    const { ended, counts } = someRules();
    expect(await counts()).toEqual(unreadReasons.map((reason) => `${reason} 0`));
    ended("encoding", 0);
    ended("encoding", 1);
    ended(undefined, 2);
    ended("not_shown", 3);
    expect(await counts()).toEqual(
      expect.arrayContaining(["encoding 2", "not_shown 1", "too_long 0", "no_model 0"]),
    );
  });

  it("are warned of once a minute for each reason", () => {
    const { ended, written } = someRules();
    for (const endedMs of [0, 59_999, 60_000]) ended("encoding", endedMs);
    ended("too_long", 60_001);
    ended(undefined, 60_002);
    expect(written.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ reason: "encoding", requestId: "r-1", path: "/v1/score" }),
      expect.objectContaining({ reason: "encoding" }),
      expect.objectContaining({ reason: "too_long", msg: "model rules skipped" }),
    ]);
  });
});

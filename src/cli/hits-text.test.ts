import { expect, it } from "vitest";
import { aHitGroup, aHitReport } from "#test/support/hit-report.ts";
import { hitsPageOf } from "../admin/hits-page.ts";
import { hitsText } from "./hits-text.ts";

it("shows rungs, gaps with their remedies, and tenants", () => {
  const rungs = {
    ceiling: 0.9,
    capacity: 0.5,
    reachable: 0.5,
    predicted: 0.5,
    delivered: undefined,
  };
  const groups = [aHitGroup(), aHitGroup({ tenant: "reports" })];
  const text = hitsText(hitsPageOf(aHitReport({ rungs, groups, otherBlockSize: 3 })));
  const lines = text.split("\n");
  expect(lines[0]).toBe(
    "hit rates of the last 60 min: 1,000 requests, 2 million tokens of prompts",
  );
  expect(text).toContain("  capacity   ██████████░░░░░░░░░░     50 %  one cache of the size");
  expect(text).toMatch(/ {2}delivered {2}░{20} {2}unknown {2}/);
  expect(text).toMatch(/^ {2}! The caches are too small for 40 % of prompt tokens/m);
  expect(text).toMatch(/^ {2}> Give engines more memory for KV/m);
  expect(text).toMatch(
    /^MODEL +TENANT +TOKENS +CEILING +CAPACITY +REACHABLE +PREDICTED +DELIVERED$/m,
  );
  expect(text).toMatch(/^llama +reports +2 million +90 % /m);
  expect(text).toContain("estimated from one block in 16 of 64 tokens");
  expect(text).toMatch(/3 requests\s+had another block size/);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(110);
});

it("says that there was no request", () => {
  expect(hitsText(hitsPageOf(aHitReport({ requests: 0 })))).toBe(
    "no request with a prompt has come yet\n",
  );
});

it("shows the engines' own count below what answers report, or in its place", () => {
  const counted = { endpoints: 3, lookupTokens: 1_000_000, hitTokens: 800_000, ratio: 0.8 };
  const both = hitsText(hitsPageOf(aHitReport({ counted })));
  expect(both).toMatch(
    /^ {2}counted {4}█{16}░{4} {5}80 % {2}hits by the engines' own counters, 3 of 4/mu,
  );
  const rungs = { delivered: 0.8 };
  const alone = hitsText(hitsPageOf(aHitReport({ rungs, counted, deliveredBy: "engines" })));
  expect(alone).toMatch(/^ {2}delivered .* 80 % {2}hits by the engines' own counters: no answer/mu);
  expect(alone).not.toContain("  counted ");
});

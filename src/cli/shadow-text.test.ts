import { expect, it } from "vitest";
import type { RolloutPage, ShadowPage } from "../admin/shadow-page.ts";
import { shadowText } from "./shadow-text.ts";

const page: ShadowPage = {
  enabled: true,
  document: {
    hash: "1dacda9b233e6228",
    source: "next.yaml",
    appliedAt: "2026-11-30T12:19:40.328Z",
    isInForce: false,
    warnings: [],
    text: "",
  },
  refused: null,
  learnedRatio: 1,
  comparedRatio: 0.25,
  cpuBudgetRatio: 0.03,
  cpuUsedRatio: 0.021,
  failures: 0,
  rollout: null,
  total: {
    decisions: 0,
    same: 0,
    refused: 0,
    agreementRatio: null,
    ttftDifferenceMs: null,
    slowerMs: null,
    fasterMs: null,
    hitDifferenceTokens: null,
    fewerHitTokens: null,
    moreHitTokens: null,
  },
  reasons: [],
  sets: [],
  differences: [],
};

const rollout: RolloutPage = {
  state: "comparing",
  shareRatio: 0.1,
  steps: [0.1],
  since: "2026-11-30T12:21:40.328Z",
  waitsFor: [],
  reasons: [],
  requests: { inForce: 0, shadow: 0 },
  errors: { inForce: 0, shadow: 0 },
  rises: [],
  advice: null,
  overdueRatio: 0,
};

it("tells the CPU that a comparison takes and may take", () => {
  expect(shadowText(page)).toContain(
    "compares 25 % of the requests, learns from 100 %; uses 2.1 % of the picker's CPU, and may use 3.0 %\n",
  );
});

it("tells that a rollout has no budget, until it is rolled back", () => {
  expect(shadowText({ ...page, rollout })).toContain("a rollout has no budget");
  const rolledBack = { ...rollout, state: "rolledBack" as const, shareRatio: 0 };
  expect(shadowText({ ...page, rollout: rolledBack })).toContain("and may use 3.0 %");
});

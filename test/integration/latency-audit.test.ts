import { expect, it } from "vitest";
import { auditOf, meanErrorOf } from "../../loadtest/lab/prediction-audit.ts";

// Requests that arrive during a step share the next one, and delay each other: no prediction can know of later ones.
it.each([
  { workload: "groups", load: 0.85, most: 0.08 },
  { workload: "unique", load: 0.85, most: 0.08 },
  { workload: "mixed", load: 0.85, most: 0.12 },
  { workload: "lora", load: 0.7, most: 0.13 },
  { workload: "chat", load: 0.7, most: 0.15 },
  { workload: "agents", load: 0.7, most: 0.15 },
])(
  "predicts the time to first token of $workload at $load within $most on average",
  async ({ workload, load, most }) => {
    const audited = await auditOf({ workload, load, seed: 1 });
    expect(audited.length).toBeGreaterThan(500);
    expect(meanErrorOf(audited)).toBeLessThan(most);
  },
  60_000,
);

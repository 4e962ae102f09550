import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { alertRules, boardQueries } from "#test/support/monitoring.ts";

/** A test keeps this page complete. */
const metrics = readFileSync("docs/metrics.md", "utf8");
const runbook = readFileSync("docs/alerts.md", "utf8");

describe("the alerts", () => {
  it.each(alertRules())("$alert has a section of the runbook", ({ alert, annotations }) => {
    expect(annotations.runbook).toBe(`docs/alerts.md#${alert.toLowerCase()}`);
    expect(runbook).toMatch(new RegExp(`^## ${alert}$`, "m"));
  });

  it("are all that the runbook has a section for", () => {
    const sections = [...runbook.matchAll(/^## (?<alert>.+)$/gm)].map(
      ({ groups }) => groups?.["alert"],
    );
    expect(sections).toEqual(alertRules().map(({ alert }) => alert));
  });
});

it.each([...new Set([...alertRules().map(({ expr }) => expr), ...boardQueries()])])(
  "reads metrics that there are: %s",
  (expression) => {
    const names = namesIn(expression);
    expect(names).not.toEqual([]);
    expect(names.filter((name) => !metrics.includes(`\`${name}\``))).toEqual([]);
  },
);

/** The families that an expression reads. */
function namesIn(expression: string): string[] {
  const read = expression.matchAll(/\b(?:llm_d_epp|pointsman|process|nodejs|leader_election)_\w+/g);
  return [...read].map(([name]) => name.replace(/_(?:bucket|sum|count)$/, ""));
}

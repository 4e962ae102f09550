import { describe, expect, it } from "vitest";
import { exitCodeOf, type Finding, merged, reportText, type Severity } from "./finding.ts";
import { type DocumentFacts, judgeDocument } from "./judge-document.ts";

const finding = (severity: Severity, code: string): Finding => ({
  severity,
  code,
  subject: "a:1",
  what: "it is wrong",
  why: "it matters",
  change: "--flag",
});
const report = (...findings: readonly Finding[]) => ({ findings, notChecked: [] });

describe("a report", () => {
  it.each([
    { findings: [], isStrict: true, code: 0 },
    { findings: [finding("warning", "w")], isStrict: false, code: 0 },
    { findings: [finding("warning", "w")], isStrict: true, code: 1 },
    { findings: [finding("error", "e")], isStrict: false, code: 1 },
  ])("ends with $code, strict $isStrict", ({ findings, isStrict, code }) => {
    expect(exitCodeOf(report(...findings), isStrict)).toBe(code);
  });

  it("has the errors first, and each check that was not made once", () => {
    const both = merged([
      { findings: [finding("warning", "w")], notChecked: ["x"] },
      { findings: [finding("error", "e")], notChecked: ["x"] },
    ]);
    expect(both.findings.map(({ code }) => code)).toEqual(["e", "w"]);
    expect(both.notChecked).toEqual(["x"]);
    expect(reportText(both)).toBe(
      [
        "error    a:1: it is wrong  [e]",
        "         why     it matters",
        "         change  --flag",
        "",
        "warning  a:1: it is wrong  [w]",
        "         why     it matters",
        "         change  --flag",
        "",
        "not checked  x",
        "",
        "1 error, 1 warning",
        "",
      ].join("\n"),
    );
  });
});

describe("a document", () => {
  it("has an error for each mistake and a warning for each warning", () => {
    const file = "c.yaml";
    const mistakes = ["a: wrong", "b: wrong"];
    const invalid = judgeDocument({ kind: "invalid", file, mistakes }, { hasEnvoy: false });
    expect(invalid.findings.map(({ severity, what }) => [severity, what])).toEqual([
      ["error", "a: wrong"],
      ["error", "b: wrong"],
    ]);
    const facts: DocumentFacts = { kind: "read", file, warnings: ["w"], flowControl: undefined };
    const read = judgeDocument(facts, { hasEnvoy: false });
    expect(read.findings).toMatchObject([{ severity: "warning", subject: file, what: "w" }]);
    expect(read.notChecked).toEqual([expect.stringContaining("Envoy's other limits")]);
    expect(judgeDocument(facts, { hasEnvoy: true }).notChecked).toEqual([]);
  });
});

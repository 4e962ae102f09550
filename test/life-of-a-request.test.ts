import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const page = readFileSync("docs/life-of-a-request.md", "utf8");
const [section = ""] = /^## The files, in order$[^]*?(?=^## )/m.exec(page) ?? [];
const rows = [...section.matchAll(/^\| (?<step>[^|]+) \| (?<files>`.*) \|$/gm)].map(
  ({ groups }) => ({
    step: groups?.["step"] ?? "",
    files: [...(groups?.["files"] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) =>
      name.startsWith("src/") ? name.slice("src/".length) : `data-plane/${name}`,
    ),
  }),
);
const listed = rows.flatMap(({ files }) => files);

function importedBy(file: string): readonly string[] {
  const text = readFileSync(path.join("src", file), "utf8");
  return [...text.matchAll(/\bfrom\s+"(\.[^"]+)"|\bimport\s*\(\s*"(\.[^"]+)"/g)].map(
    ([, fixed, lazy]) => path.join(path.dirname(file), fixed ?? lazy ?? ""),
  );
}

describe("the files of a request's life", () => {
  it("are each imported by one before, so that a reader can follow them", () => {
    const reached = new Set(listed.slice(0, 1));
    const lost = listed.filter((file) => {
      for (const target of importedBy(file)) reached.add(target);
      return !reached.has(file);
    });
    expect(listed.length).toBeGreaterThan(50);
    expect(lost).toEqual([]);
  });

  it("are those that run for one chat completion over ext_proc, and those that build them", () => {
    const printed = execFileSync(process.execPath, ["test/support/request-files.ts"], {
      encoding: "utf8",
    });
    const [start, ...others] = rows;
    // The program prints an array of names.
    const ran = new Set(JSON.parse(printed) as string[]);
    expect(start?.step).toBe("start, once");
    expect([...ran].filter((file) => !listed.includes(file))).toEqual([]);
    expect(others.flatMap(({ files }) => files).filter((file) => !ran.has(file))).toEqual([]);
  });
});

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";

const folder = "test/examples";
const page = readFileSync("CONTRIBUTING.md", "utf8");

/** The code blocks of the page, without the indent of the list that they stand in. */
const blocks = [...page.matchAll(/^(?<indent> *)```ts\n(?<code>[^]*?)^ *```$/gm)].map(
  ({ groups: { indent = "", code = "" } = {} }) =>
    code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
);

/** An example as it would stand in `src/data-plane/scheduling/scorers/`. */
function inPlace(file: string): string {
  return readFileSync(path.join(folder, file), "utf8")
    .replaceAll('"../../src/data-plane/scheduling/', '"../')
    .replaceAll('"../../src/', '"../../../');
}

describe("CONTRIBUTING.md", () => {
  it.each(readdirSync(folder))(`quotes ${folder}/%s as it is`, (file) => {
    expect(blocks).toContain(inPlace(file));
  });

  it("has no other code, which nothing would test", () => {
    const tested = new Set(readdirSync(folder).map(inPlace));
    expect(blocks.filter((block) => !tested.has(block))).toEqual([]);
  });
});

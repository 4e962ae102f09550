import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { generatedFolder, generatedTexts, generateInto } from "./generate.ts";

function contentsOf(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return Object.fromEntries(
    files.toSorted().map((file) => [file, readFileSync(path.join(folder, file), "utf8")]),
  );
}

it("has the types that protos/ gives (npm run generate)", async () => {
  const folder = await mkdtemp(path.join(tmpdir(), "pointsman-generated-"));
  try {
    generateInto(folder);
    const generated = contentsOf(folder);
    expect(Object.keys(generated).length).toBeGreaterThan(20);
    expect(contentsOf(generatedFolder)).toEqual(generated);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it.each(await generatedTexts())("has %s as the code gives it (npm run generate)", (file, text) => {
  expect(existsSync(file) ? readFileSync(file, "utf8") : "").toBe(text);
});

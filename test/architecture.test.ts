import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { FENCED, MAY_IMPORT } from "#test/support/import-table.ts";

/** `import … from "name"`, `export … from "name"`, `import "name"` and `import("name")`. */
const IMPORT =
  /^(?:import|export)\b[^;"]*\bfrom\s+"(?<fixed>[^"]+)"|\bimport\s*\(?\s*"(?<bare>[^"]+)"/gm;
const sources = readdirSync("src", { recursive: true, encoding: "utf8" }).filter(
  (file) => /(?<!\.test)\.ts$/.test(file) && !file.includes("/generated/"),
);

/** The most specific place a file belongs to. */
function placeOf(file: string): string {
  const places = Object.keys(MAY_IMPORT).filter((place) => `${file}/`.startsWith(`${place}/`));
  return places.toSorted((a, b) => b.length - a.length)[0] ?? "outside the map";
}

function mayImport(file: string, name: string): boolean {
  if (!name.startsWith(".")) return FENCED[name]?.test(file) ?? name.startsWith("node:");
  const target = placeOf(path.join(path.dirname(file), name));
  return MAY_IMPORT[placeOf(file)]?.includes(target) ?? false;
}

it.each(sources)("src/%s imports only what its place may", (file) => {
  const imports = readFileSync(path.join("src", file), "utf8").matchAll(IMPORT);
  const names = [...imports].map(({ groups }) => groups?.["fixed"] ?? groups?.["bare"] ?? "");
  const forbidden = names.filter((name) => !mayImport(file, name));
  expect(forbidden).toEqual([]);
});

it("knows every place under src", () => {
  expect(sources.filter((file) => placeOf(file) === "outside the map")).toEqual([]);
});

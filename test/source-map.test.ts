import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { FENCED, MAY_IMPORT } from "#test/support/import-table.ts";

const map = readFileSync("src/README.md", "utf8");
const [tree = ""] = /^```\nsrc\/\n[^]*?^```$/m.exec(map) ?? [];

/** Folders that hold other folders by subject: each of those has to be on the map. */
const mappedParents = ["", "data-plane", "control-plane"];

const folders = mappedParents.flatMap((parent) =>
  readdirSync(path.join("src", parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => path.join(parent, entry.name)),
);

/** The names in backticks of a table row's second cell, by the name in its first cell. */
function namesByPlace(markdown: string): ReadonlyMap<string, readonly string[]> {
  const rows = markdown.matchAll(/^\| `(?<place>[^`]+)` \| (?<cell>.*) \|$/gm);
  return new Map(
    [...rows].map(({ groups }) => [
      groups?.["place"] ?? "",
      [...(groups?.["cell"] ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name),
    ]),
  );
}

describe("the source map", () => {
  it.each(folders)("shows src/%s", (folder) => {
    expect(tree).toContain(` ${path.basename(folder)}/ `);
  });

  it("shows no folder that is not there", () => {
    const shown = [...tree.matchAll(/ (?<name>[a-z-]+)\/(?: |$)/gm)].map(
      ({ groups }) => groups?.["name"] ?? "",
    );
    const entries = readdirSync("src", { recursive: true, withFileTypes: true });
    const all = new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
    expect(shown.filter((name) => !all.has(name))).toEqual([]);
  });

  it.each(Object.entries(MAY_IMPORT))("lists what %s may import", (place, imports) => {
    const listed = namesByPlace(map).get(place);
    expect(listed?.toSorted()).toEqual(imports.toSorted());
  });

  it("lists no place that the import table does not have", () => {
    const places = [...namesByPlace(map).keys()].filter((name) => FENCED[name] === undefined);
    expect(places.filter((place) => MAY_IMPORT[place] === undefined)).toEqual([]);
  });

  it.each(Object.keys(FENCED))("says where %s may be imported", (name) => {
    expect(map.slice(map.indexOf("| package |"))).toContain(`\`${name}\``);
  });
});

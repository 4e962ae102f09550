import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { FENCED, MAY_IMPORT } from "#test/support/import-table.ts";

const map = readFileSync("src/README.md", "utf8");
const [tree = ""] = /^```\nsrc\/\n[^]*?^```$/m.exec(map) ?? [];

/** Folders whose own files and folders all have to be on the map. */
const mappedParents = ["", "data-plane", "control-plane"];

const inMappedParents = mappedParents.flatMap((parent) =>
  readdirSync(path.join("src", parent), { withFileTypes: true })
    .filter(({ name }) => !/\.md$|\.test\.ts$/.test(name))
    .map((entry) => path.join(parent, entry.isDirectory() ? `${entry.name}/` : entry.name)),
);

/** What the tree shows, each with its path below src; the path of a folder ends in a slash. */
function shownEntries(): readonly string[] {
  const parents: string[] = [];
  return [...tree.matchAll(/^(?<indent>(?:│ {3}| {4})*)[├└]── (?<names>\S+(?: \S+\/)*)/gm)].flatMap(
    ({ groups }) => {
      const depth = (groups?.["indent"] ?? "").length / 4;
      const names = (groups?.["names"] ?? "").split(" ");
      parents.length = depth;
      const paths = names.map((name) => path.join(...parents, name));
      parents.push(names[0] ?? "");
      return paths;
    },
  );
}

const shown = shownEntries();

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
  it.each(inMappedParents)("shows src/%s", (entry) => {
    expect(shown).toContain(entry);
  });

  it.each(shown)("shows src/%s where it is", (entry) => {
    const at = path.join("src", entry);
    expect(existsSync(at) && statSync(at).isDirectory()).toBe(entry.endsWith("/"));
    expect(existsSync(at)).toBe(true);
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

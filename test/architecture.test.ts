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

function importsOf(file: string): string[] {
  const imports = readFileSync(path.join("src", file), "utf8").matchAll(IMPORT);
  return [...imports].map(({ groups }) => groups?.["fixed"] ?? groups?.["bare"] ?? "");
}

/** The most specific place a file belongs to. */
function placeOf(file: string): string {
  const places = Object.keys(MAY_IMPORT).filter((place) => isIn(file, place));
  return places.toSorted((a, b) => b.length - a.length)[0] ?? "outside the map";
}

/** Whether a place, or the files of a folder such as `data-plane/*`, hold a file. */
function isIn(file: string, place: string): boolean {
  return place.endsWith("/*")
    ? path.dirname(file) === place.slice(0, -2)
    : `${file}/`.startsWith(`${place}/`);
}

function mayImport(file: string, name: string): boolean {
  if (!name.startsWith(".")) return FENCED[name]?.test(file) ?? name.startsWith("node:");
  const target = path.join(path.dirname(file), name);
  return MAY_IMPORT[placeOf(file)]?.some((place) => isIn(target, place)) ?? false;
}

it.each(sources)("src/%s imports only what its place may", (file) => {
  const forbidden = importsOf(file).filter((name) => !mayImport(file, name));
  expect(forbidden).toEqual([]);
});

it("knows every place under src", () => {
  expect(sources.filter((file) => placeOf(file) === "outside the map")).toEqual([]);
});

/** Places at the level at which people speak of them; a file belongs to the longest. */
const topPlaces = [
  ...new Set(sources.map((file) => file.split("/")[0] ?? "")),
  ...["ingress", "parsing", "admission", "scheduling", "response"].map(
    (stage) => `data-plane/${stage}`,
  ),
];

it("has few places and few arrows between them, none of which points back up", () => {
  const arrows = new Map<string, Set<string>>(topPlaces.map((place) => [place, new Set()]));
  for (const file of sources) {
    for (const name of importsOf(file).filter((each) => each.startsWith("."))) {
      const [from, to] = [file, path.join(path.dirname(file), name)].map(topPlaceOf);
      if (from !== undefined && to !== undefined && from !== to) arrows.get(from)?.add(to);
    }
  }
  // Takes away the places without an arrow until none is left: places in a circle would be.
  const left = new Map([...arrows].map(([place, targets]) => [place, new Set(targets)]));
  for (let bottom = [""]; bottom.length > 0;) {
    bottom = [...left].filter(([, targets]) => targets.size === 0).map(([place]) => place);
    for (const place of bottom) left.delete(place);
    for (const targets of left.values()) for (const place of bottom) targets.delete(place);
  }
  expect([...left.keys()]).toEqual([]);
  expect(topPlaces.length).toBeLessThanOrEqual(20);
  expect([...arrows.values()].reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(71);
});

function topPlaceOf(file: string): string | undefined {
  const places = topPlaces.filter((place) => `${file}/`.startsWith(`${place}/`));
  return places.toSorted((a, b) => b.length - a.length)[0];
}

/**
 * `a.b = () => ...`. V8 allocates a function literal that is assigned to a property as old, and with it the garbage
 * collector keeps all that it captures until its next full collection: a whole request. A `const` in between helps, and
 * class fields, arguments and object literals are not affected.
 */
const ASSIGNED_LITERAL =
  /\.#?\w+\s*(?:\?\?|\|\||&&)?=\s*\(*(?:async\s*)?(?:function\b|\([^()]*\)(?:\s*:[^=()]+)?\s*=>|\w+\s*=>)/u;

/** What runs for a request; what runs at the start or at a reload may keep its functions. */
const ofRequests = sources.filter((file) =>
  /^(?:core|data-plane|state|std|telemetry)\//u.test(file),
);

it("assigns no function literal to a property in what runs for a request", () => {
  const assigning = ofRequests.filter((file) =>
    ASSIGNED_LITERAL.test(readFileSync(path.join("src", file), "utf8")),
  );
  expect(assigning).toEqual([]);
});

it("knows an assigned function literal", () => {
  const assigned = [
    "a.b = () => 1;",
    "this.#x ??= async (y: Z): number =>\n  y;",
    "a.b = (c => c);",
  ];
  for (const text of assigned) expect(text).toMatch(ASSIGNED_LITERAL);
  const others = [
    "const f = () => 1;\na.b = f;",
    "readonly #x = () => 1;",
    "a.b = c ? () => 1 : d;",
    "a.b === (c)",
  ];
  for (const text of others) expect(text).not.toMatch(ASSIGNED_LITERAL);
});

import { describe, expect, it } from "vitest";
import { cutAtRandom } from "#test/support/cuts.ts";
import { goldenExpositions } from "#test/support/expositions.ts";
import { seededRandom } from "../../../../std/random.ts";
import { EndpointEngine } from "./endpoint-engine.ts";
import { builtInEngines, engineChooser } from "./engine-choice.ts";

const label = "llm-d.ai/engine-type";
const pages = goldenExpositions();

function readingOf(chunks: readonly Buffer[], labels: Record<string, string> = {}) {
  const engine = new EndpointEngine(engineChooser({}), labels);
  for (const chunk of chunks) engine.parser.push(chunk);
  const parsed = engine.parser.finish();
  return { malformedLines: parsed.malformedLines, reading: engine.read(parsed) };
}

describe("the golden expositions", () => {
  it("include every known engine", () => {
    const engines = new Set(pages.map(({ engine }) => engine));
    expect([...engines].toSorted()).toEqual(builtInEngines.map(({ name }) => name).toSorted());
  });
});

describe.each(pages)("the page $name", ({ page, engine, signals }) => {
  const expected = { malformedLines: 0, reading: { engine, signals } };

  it("has its signals if no label names the engine", () => {
    expect(readingOf([page])).toEqual(expected);
  });

  it("has the same if a label names it", () => {
    expect(readingOf([page], { [label]: engine })).toEqual(expected);
  });

  it("has the same once its engine has been found", () => {
    const found = new EndpointEngine(engineChooser({}), {});
    for (let scrape = 0; scrape < 2; scrape += 1) {
      found.parser.push(page);
      expect(found.read(found.parser.finish())).toEqual(expected.reading);
    }
  });

  it("has the same byte by byte", () => {
    const bytes = Array.from(page, (_, index) => page.subarray(index, index + 1));
    expect(readingOf(bytes)).toEqual(expected);
  });

  it.each([1, 4, 16, 64, 256, 1_024, 4_096])("has the same cut at %i random places", (cutCount) => {
    const pieces = cutAtRandom(page, cutCount, seededRandom(cutCount));
    expect(Buffer.concat(pieces)).toEqual(page);
    expect(readingOf(pieces)).toEqual(expected);
  });
});

import { describe, expect, it } from "vitest";
import { runFuzzCase } from "#test/support/exposition-fuzz.ts";
import { goldenExpositions } from "#test/support/expositions.ts";

const bytesMax = 150_000;

describe("PrometheusTextParser on mutated pages of engines", () => {
  it.each([1, 2])("reads what a plain reader reads, seed %i", (seed) => {
    const pages = goldenExpositions();
    let bytes = 0;
    let untouched = 0;
    let spoiled = 0;
    for (let index = 0; bytes < bytesMax; index += 1) {
      const outcome = runFuzzCase(pages, seed, index);
      // It contains the seed, the case and the page.
      expect(outcome.failure).toBeUndefined();
      bytes += outcome.bytes;
      untouched += outcome.untouched;
      spoiled += outcome.spoiled;
    }
    // Mutations that hit nothing, or everything, would prove nothing.
    expect(Math.min(untouched, spoiled)).toBeGreaterThan(20);
  });
});

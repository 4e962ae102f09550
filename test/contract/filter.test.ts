import { describe } from "vitest";
import { itKeepsTheFilterContract } from "#test/contract/filter.ts";

// Filters written out here, so that the contract itself is known to accept what it means to.
describe("a filter that keeps everything", () => {
  itKeepsTheFilterContract({ filter: (_context, candidates) => candidates });
});

describe("a filter that keeps nothing", () => {
  itKeepsTheFilterContract({ filter: () => [] });
});

describe("a filter that goes by load", () => {
  itKeepsTheFilterContract({
    filter: ({ load }, candidates) =>
      candidates.filter(({ slot }) => (load.inFlightRequests[slot] ?? 0) < 100),
  });
});

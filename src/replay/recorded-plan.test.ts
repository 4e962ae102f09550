import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestLine } from "../telemetry/recording/lines.ts";
import { mooncakeLinesOf } from "./mooncake.ts";
import { planOfRecording, recordedPriorityOf } from "./recorded-plan.ts";

const blockTokens = 64;

/** Blocks of a path in a tree: as in a chain of hashes, a block's name depends on those before it. */
function chainOf(path: readonly number[]): string {
  let before = 7;
  return path
    .map((step) => {
      before = (Math.imul(before, 31) + step + 1) >>> 0;
      return before.toString(36).padStart(8, "0");
    })
    .join("");
}

const request = fc
  .record({ path: fc.array(fc.nat(1), { minLength: 1, maxLength: 8 }), short: fc.nat(63) })
  .map(({ path, short }): RequestLine => {
    const promptTokens = path.length * blockTokens - short;
    const blocks = [chainOf(path)];
    return { atMs: 0, endedMs: 10, end: "complete", promptTokens, blockTokens, blocks };
  });

/** Leading blocks that two chains have in common. */
function sharedBlocks(one: RequestLine, other: RequestLine): number {
  const [a = "", b = ""] = [one.blocks?.[0], other.blocks?.[0]];
  let shared = 0;
  while (
    shared * 8 < Math.min(a.length, b.length) &&
    a.slice(0, (shared + 1) * 8) === b.slice(0, (shared + 1) * 8)
  ) {
    shared += 1;
  }
  return shared;
}

describe("the plan of a recording", () => {
  it("has prompts of the recorded sizes, which share what the recorded blocks share", () => {
    fc.assert(
      fc.property(fc.array(request, { minLength: 2, maxLength: 6 }), (requests) => {
        const { conversations } = planOfRecording(requests, { blockTokens, waits: true });
        const prompts = conversations.map(({ turns }) => turns[0]?.prompt);
        for (const [a, one] of requests.entries()) {
          expect(prompts[a]?.tokens).toBe(one.promptTokens);
          for (const [b, other] of requests.entries()) {
            if (a === b) continue;
            const [ofOne, ofOther] = [prompts[a]?.blocks() ?? [], prompts[b]?.blocks() ?? []];
            const shared = ofOne.filter((block, index) => block === ofOther[index]).length;
            // A last block that is not full is none of the engine's.
            const full = Math.min(ofOne.length, ofOther.length);
            expect(shared).toBe(Math.min(sharedBlocks(one, other), full));
          }
        }
      }),
    );
  });

  it("gives requests without blocks prompts of their own, and knows adapters and priorities", () => {
    const line = { atMs: 0, endedMs: 1, end: "complete", promptTokens: 1_000 } as const;
    const { conversations, adapters } = planOfRecording(
      [
        { ...line, model: "a", adapter: true, priority: -3, outputTokens: 10 },
        { ...line, model: "a", stream: true, chunks: 30 },
        { ...line, model: "b", end: "refused" },
      ],
      { blockTokens, waits: true },
    );
    expect(adapters).toEqual(["a"]);
    expect(conversations.map(({ adapter }) => adapter)).toEqual(["a", "a", undefined]);
    expect(conversations.map(({ turns }) => turns[0]?.outputTokens)).toEqual([10, 30, 20]);
    expect(recordedPriorityOf(conversations[0]?.objective ?? "")).toBe(-3);
    expect(recordedPriorityOf("batch")).toBeUndefined();
    const blocks = conversations.flatMap(({ turns }) => turns[0]?.prompt.blocks() ?? []);
    expect(new Set(blocks).size).toBe(blocks.length);
  });

  it("reads prompts that are longer than what is matched", () => {
    const long = {
      atMs: 0,
      endedMs: 1,
      end: "complete",
      blockTokens,
      promptTokens: 900_000,
    } as const;
    const { conversations } = planOfRecording([{ ...long, blocks: [chainOf([1, 2])] }], {
      blockTokens,
      waits: true,
    });
    expect(conversations[0]?.turns[0]?.prompt.tokens).toBe(900_000);
  });
});

describe("a trace of Mooncake", () => {
  it("has an id for each 512 tokens, equal as far as prompts are", () => {
    const path = Array.from({ length: 20 }, (_, index) => index);
    const line = { endedMs: 1, end: "complete", blockTokens, outputTokens: 7 } as const;
    const [one, other, unhashed, unread] = mooncakeLinesOf([
      { ...line, atMs: 50, promptTokens: 1_270, blocks: [chainOf(path)] },
      { ...line, atMs: 80.4, promptTokens: 1_152, blocks: [chainOf([...path.slice(0, 17), 9])] },
      { ...line, atMs: 90, promptTokens: 600 },
      { ...line, atMs: 95 },
    ]);
    expect(one).toEqual({
      timestamp: 0,
      input_length: 1_270,
      output_length: 7,
      hash_ids: [0, 1, 2],
    });
    expect(other).toMatchObject({ timestamp: 30, hash_ids: [0, 1, 3] });
    expect(unhashed?.hash_ids).toEqual([4, 5]);
    expect(unread).toBeUndefined();
  });
});

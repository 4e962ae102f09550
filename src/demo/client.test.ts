import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { usageAtEndOf } from "./client.ts";

const usage = '{"prompt_tokens":40,"total_tokens":43,"prompt_tokens_details":{"cached_tokens":16}}';

describe("usageAtEndOf", () => {
  it.each([
    ["a whole answer", `{"id":"x","choices":[{"text":"a"}],"usage":${usage}}\n`],
    ["a stream", `data: {"choices":[],"usage":${usage}}\n\ndata: [DONE]\n\n`],
    ["a beginning that was cut off", `ext":"a"}],"usage": ${usage}}`],
    ["a prompt that speaks of usage", `{"text":"\\"usage\\":{","usage":${usage}}`],
  ])("reads the usage of %s", (_, tail) => {
    expect(usageAtEndOf(tail)).toEqual({ promptTokens: 40, cachedTokens: 16 });
  });

  it("takes no cache details for no cached tokens", () => {
    expect(usageAtEndOf('"usage":{"prompt_tokens":7}')).toEqual({
      promptTokens: 7,
      cachedTokens: 0,
    });
  });

  it.each(["", "data: [DONE]\n\n", '"usage":null}', '"usage":{"prompt_tokens":', '"usage":{}}'])(
    "finds none in %j",
    (tail) => {
      expect(usageAtEndOf(tail)).toBeUndefined();
    },
  );

  it("takes any text", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(usageAtEndOf(`${text}"usage":${usage}`)).toBeDefined();
        expect(() => usageAtEndOf(`"usage":${text}`)).not.toThrow();
      }),
    );
  });
});

import { describe, expect, it } from "vitest";
import { promptTokensOf } from "./token-estimate.ts";

const text = (value: string) => ({ kind: "text", text: value }) as const;
const image = { kind: "media", mediaType: "image", reference: "u" } as const;

describe("promptTokensOf", () => {
  it.each([
    { prompts: [], tokens: 0 },
    { prompts: [[]], tokens: 0 },
    { prompts: [[text("abcd")]], tokens: 1 },
    { prompts: [[text("abcde")]], tokens: 2 },
    // Bytes are summed over the parts before rounding: 1 + 4 of 5 bytes.
    { prompts: [[text("a"), text("bcde")]], tokens: 2 },
    // Each prompt is rounded separately: 1 + 1.
    { prompts: [[text("a")], [text("b")]], tokens: 2 },
    // é has two bytes, so five of them have 10: 2.5, rounded up.
    { prompts: [[text("ééééé")]], tokens: 3 },
    { prompts: [[{ kind: "tokens", tokenIds: [1, 2, 3] } as const, text("ab")]], tokens: 4 },
    // 640 x 360 / 1,024 = 225.
    { prompts: [[image, text("abcd"), image]], tokens: 451 },
  ])("counts $tokens tokens in $prompts", ({ prompts, tokens }) => {
    expect(promptTokensOf(prompts)).toBe(tokens);
  });
});

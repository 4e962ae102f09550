import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PromptPart } from "../../../../core/request.ts";
import { PromptHasher } from "./prompt-hasher.ts";

const options = { model: "m", cacheSalt: "", blockTokens: 16, promptTokensMax: 0 };
const text: PromptPart = { kind: "text", text: "x".repeat(200) };
const chainOf = (hasher: PromptHasher, model: string, cacheSalt: string) =>
  hasher.hash([[text]], { ...options, model, cacheSalt }).chains;

describe("PromptHasher", () => {
  it("hashes a prompt the same, whatever models and salts it has hashed before", () => {
    const names = fc.constantFrom("", "a", "b", "a\u0000b", "\u0000", "x".repeat(600), "é");
    fc.assert(
      fc.property(fc.array(fc.tuple(names, names), { minLength: 1, maxLength: 20 }), (all) => {
        const used = new PromptHasher();
        for (const [model, salt] of all) {
          expect(chainOf(used, model, salt)).toEqual(chainOf(new PromptHasher(), model, salt));
        }
      }),
      { numRuns: 30 },
    );
  });

  it("tells models and salts apart that are the same text together", () => {
    const hasher = new PromptHasher();
    const [one, other] = [chainOf(hasher, "a\u0000b", ""), chainOf(hasher, "a", "b")];
    expect(one).not.toEqual(other);
  });

  it("hashes the same after more models than it keeps seeds of", () => {
    const hasher = new PromptHasher();
    const first = chainOf(hasher, "m", "");
    for (let index = 0; index < 600; index += 1) chainOf(hasher, `adapter-${index}`, "");
    expect(chainOf(hasher, "m", "")).toEqual(first);
  });
});

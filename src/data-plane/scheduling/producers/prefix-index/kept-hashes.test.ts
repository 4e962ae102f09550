import { expect, it } from "vitest";
import { KeptHashes } from "./kept-hashes.ts";
import { PromptHasher } from "./prompt-hasher.ts";

const options = { model: "llama", cacheSalt: "", blockTokens: 4, promptTokensMax: 0 };

function aRig() {
  const hasher = new PromptHasher();
  let count = 0;
  const kept = new KeptHashes((prompts, given) => {
    count += 1;
    return hasher.hash(prompts, given);
  });
  return { kept, hasher, hashed: () => count };
}

const prompts = [[{ kind: "text", text: "a prompt of more than sixteen bytes" } as const]];

it("hashes prompts once if they will be asked for again", () => {
  const { kept, hasher, hashed } = aRig();
  const all = [true, true, false].map((mayRepeat) => kept.of(prompts, options, mayRepeat));
  expect(hashed()).toBe(1);
  for (const each of all) expect(each).toEqual(hasher.hash(prompts, options));
});

it("keeps nothing for prompts that are asked for once", () => {
  const { kept, hashed } = aRig();
  kept.of(prompts, options, false);
  kept.of(prompts, options, false);
  expect(hashed()).toBe(2);
});

it.each([{ blockTokens: 8 }, { model: "other" }, { cacheSalt: "s" }, { promptTokensMax: 4 }])(
  "hashes prompts again with other options: %o",
  (changed) => {
    const { kept, hasher, hashed } = aRig();
    kept.of(prompts, options, true);
    const other = { ...options, ...changed };
    expect(kept.of(prompts, other, true)).toEqual(hasher.hash(prompts, other));
    expect(hashed()).toBe(2);
  },
);

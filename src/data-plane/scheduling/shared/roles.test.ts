import { expect, it } from "vitest";
import { aContext, anEndpoint } from "#test/support/builders.ts";
import { roleFilter } from "./roles.ts";

const pool = [{ "llm-d.ai/role": "decode" }, { "llm-d.ai/role": "prefill" }, {}].map(
  (labels, slot) => anEndpoint({ slot, labels }),
);

it.each([
  ["decode", [0, 2]],
  ["prefill", [1]],
  ["encode", []],
] as const)("keeps the engines that serve the stage: %s", (stage, kept) => {
  const slots = roleFilter(stage).filter(aContext(), pool);
  expect(slots.map(({ slot }) => slot)).toEqual(kept);
});

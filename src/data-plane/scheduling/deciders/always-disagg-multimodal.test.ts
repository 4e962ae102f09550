import { describe, expect, it } from "vitest";
import type { PromptPart } from "../../../core/request.ts";
import { itKeepsTheDeciderContract } from "#test/contract/decider.ts";
import { aContext, anEndpoint, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { alwaysDisaggMultimodalDecider } from "./always-disagg-multimodal.ts";

const decider = alwaysDisaggMultimodalDecider.create({}, pluginDeps());

const text: PromptPart = { kind: "text", text: "What is this?" };
const tokens: PromptPart = { kind: "tokens", tokenIds: [1, 2] };
const media = (mediaType: string): PromptPart => ({
  kind: "media",
  mediaType,
  reference: "https://example.com/1",
});

const decided = (...prompts: PromptPart[][]) =>
  decider.decide(aContext({ request: aRequest({ prompts }) }), anEndpoint());

describe("always-disagg-multimodal-decider", () => {
  itKeepsTheDeciderContract(decider);

  it.each(["image", "audio", "video"])("says yes to a prompt with an %s", (mediaType) => {
    expect(decided([text, media(mediaType)])).toBe(true);
  });

  it("says yes if any of several prompts has one", () => {
    expect(decided([text], [tokens], [media("image")])).toBe(true);
  });

  it.each([{ prompts: [] }, { prompts: [[]] }, { prompts: [[text], [tokens]] }])(
    "says no to $prompts",
    ({ prompts }) => {
      expect(decided(...prompts)).toBe(false);
    },
  );

  it("accepts any parameters, as the peer does", () => {
    expect(alwaysDisaggMultimodalDecider.load({ anything: 1 }).kind).toBe("loaded");
  });
});

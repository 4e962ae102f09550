import { describe, expect, it } from "vitest";
import type { PromptPart } from "../../../core/request.ts";
import { itKeepsTheDataProducerContract } from "#test/contract/data-producer.ts";
import { aContext, aHead, aRequest } from "#test/support/builders.ts";
import { pluginDeps } from "#test/support/plugin-deps.ts";
import { tokenProducer } from "./token.ts";

function producerOf(parameters: object = {}) {
  const params = tokenProducer.params.safeParse(parameters);
  if (!params.success) throw new Error("refused");
  const { producer } = tokenProducer.create(params.data, pluginDeps());
  if (producer === undefined) throw new Error("it is a producer");
  return producer;
}

const text = (content: string): PromptPart => ({ kind: "text", text: content });
const media = (mediaType: string): PromptPart => ({ kind: "media", mediaType, reference: "x" });

function tokensOf(
  prompts: readonly (readonly PromptPart[])[],
  parameters: object = {},
  headers: readonly (readonly [string, string])[] = [],
) {
  const request = aRequest({ prompts, head: aHead({ headers: new Map(headers) }) });
  return producerOf(parameters).produce(aContext({ request }), []);
}

const video = (parameters: object) => ({ estimate: { video: parameters } });

describe("token-producer", () => {
  itKeepsTheDataProducerContract(producerOf());

  it("counts four bytes of a prompt's text as a token, rounded up once", () => {
    // "abc" and "é" are 3 + 2 bytes.
    expect(tokensOf([[text("abc"), text("é")]])).toBe(2);
    expect(tokensOf([[text("abc")], [text("é")]])).toBe(2);
    expect(tokensOf([[text("abcd")], []])).toBe(1);
  });

  it("counts each token id as one token", () => {
    expect(tokensOf([[{ kind: "tokens", tokenIds: [5, 6, 7] }]])).toBe(3);
  });

  it.each([
    // 640 x 360 / 1,024
    { estimate: {}, tokens: 225 },
    // 1,024 x 1,024 / 512
    {
      estimate: {
        image: { defaultResolution: { width: 1_024, height: 1_024 }, dynamic: { factor: 512 } },
      },
      tokens: 2_048,
    },
    { estimate: { image: { mode: "static", static: { staticToken: 256 } } }, tokens: 256 },
  ])("gives a picture $tokens tokens with $estimate", ({ estimate, tokens }) => {
    expect(tokensOf([[media("image")]], { estimate })).toBe(tokens);
  });

  it.each([
    // 10 s x 2 a second = 20 frames of 225
    { parameters: {}, tokens: 4_500 },
    // 20 frames in pairs
    { parameters: { frames: { sampled: { temporalPatchSize: 2 } } }, tokens: 2_250 },
    { parameters: { frames: { maxFrames: 4 } }, tokens: 900 },
    { parameters: { frames: { minFrames: 30 } }, tokens: 6_750 },
    // 10 s x 24 a second / 48 = 5
    { parameters: { frames: { mode: "strided", strided: { frameStride: 48 } } }, tokens: 1_125 },
    {
      parameters: { tokensPerFrame: { mode: "static", static: { numTokensPerFrame: 70 } } },
      tokens: 1_400,
    },
    { parameters: { maxVideoTokens: 1_000 }, tokens: 1_000 },
  ])("gives a video $tokens tokens with $parameters", ({ parameters, tokens }) => {
    expect(tokensOf([[media("video")]], video(parameters))).toBe(tokens);
  });

  it("uses the headers that describe a video", () => {
    // 3 s x 2 = 6 frames of 1,280 x 720 / 1,024 = 900
    expect(
      tokensOf([[media("video")]], {}, [
        ["x-llm-d-video-duration-seconds", "3"],
        ["x-llm-d-video-resolution", "1280x720"],
      ]),
    ).toBe(5_400);
    const strided = video({ frames: { mode: "strided", strided: { frameStride: 10 } } });
    // 10 s x 30 a second / 10 = 30 frames
    expect(tokensOf([[media("video")]], strided, [["x-llm-d-video-fps", "30"]])).toBe(6_750);
  });

  it.each(["", "x", "-1", "0", "1e999"])("ignores a header with %j", (value) => {
    const headers = [
      ["x-llm-d-video-duration-seconds", value],
      ["x-llm-d-video-resolution", value],
    ] as const;
    expect(tokensOf([[media("video")]], {}, headers)).toBe(4_500);
  });

  it.each([
    { vllm: { url: "http://localhost:8000" } },
    { udsTokenizerConfig: {} },
    { estimate: { image: { mode: "static" } } },
    { estimate: { video: { tokensPerFrame: { mode: "static" } } } },
    { estimate: { image: { factor: 5 } } },
  ])("refuses %j", (parameters) => {
    expect(tokenProducer.params.safeParse(parameters).success).toBe(false);
  });
});

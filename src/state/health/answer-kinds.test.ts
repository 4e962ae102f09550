import { describe, expect, it } from "vitest";
import { aHead, aRequest } from "#test/support/builders.ts";
import type { InferenceRequest, PromptPart } from "../../core/request.ts";
import { answerKindsOf } from "./answer-kinds.ts";

const text = (characters: string, tokens: number): PromptPart => {
  return { kind: "text", text: characters.padEnd(tokens * 4, "-") };
};
const system = text("You are a judge.", 200);

function asked(parts: readonly PromptPart[], other: Partial<InferenceRequest> = {}) {
  return aRequest({ dialect: "chat", prompts: [parts], promptTokens: 300, ...other });
}

const one = asked([system, text("Is it a cat?", 100)]);
const other = asked([system, text("Tell a tale.", 100)]);
const kindsOf = (request: InferenceRequest, tokens = 0) => answerKindsOf(request, { tokens });

function shared(
  [a, hitOfA]: readonly [InferenceRequest, number],
  [b, hitOfB]: readonly [InferenceRequest, number],
): number {
  const kinds = new Set(kindsOf(b, hitOfB));
  return kindsOf(a, hitOfA).filter((kind) => kinds.has(kind)).length;
}

const long = (end: string) => asked([{ kind: "text", text: `${"x".repeat(5_000)}${end}` }]);
const ids = (last: number) => asked([{ kind: "tokens", tokenIds: [...Array(999).keys(), last] }]);

describe("the kinds of a request", () => {
  it("are those of its beginnings, the empty one first", () => {
    expect(kindsOf(one)).toHaveLength(3);
    // Frames of chat templates begin no kind of their own.
    const framed = asked([text("", 2), system, text("", 2), text("Is it a cat?", 100)]);
    expect(kindsOf(framed)).toHaveLength(3);
  });

  it("are shared as far as prompts begin alike", () => {
    expect(shared([one, 0], [one, 0])).toBe(3);
    expect(shared([one, 0], [other, 0])).toBe(2);
    expect(shared([one, 0], [asked([text("Be brief.", 200)]), 0])).toBe(1);
  });

  it("begin at least as long as the hit that brought it there, give or take a block", () => {
    // 192 of 200 tokens of the system prompt: one kind with it, one with the question too.
    expect(kindsOf(one, 192)).toHaveLength(2);
    expect(shared([one, 192], [other, 0])).toBe(1);
    expect(shared([one, 280], [other, 0])).toBe(0);
    // Far beyond what is told apart.
    expect(kindsOf(one, 4_000)).toEqual([]);
  });

  it.each([
    ["model", { targetModel: "another" }],
    ["API", { dialect: "responses" }],
    ["limit of output", { outputTokensMax: 1 }],
    ["way of answering", { isStreaming: !one.isStreaming }],
    ["size", { promptTokens: 3_000 }],
    ["subset of endpoints", { head: aHead({ subset: ["10.0.0.1:8000"] }) }],
  ] as const)("differ by %s", (_, differing) => {
    expect(shared([one, 0], [{ ...one, ...differing }, 0])).toBe(0);
  });

  it.each([
    ["an API without generated text", { dialect: "embeddings" }],
    ["several prompts", { prompts: [[system], [system]] }],
    ["an unread body", { dialect: "json", prompts: [] }],
  ] as const)("are none for %s", (_, differing) => {
    expect(kindsOf({ ...one, ...differing })).toEqual([]);
  });

  it("read long texts at both ends, and lists of tokens", () => {
    expect(shared([long("a"), 0], [long("b"), 0])).toBe(1);
    expect(shared([ids(1), 0], [ids(2), 0])).toBe(1);
    expect(shared([ids(1), 0], [ids(1), 0])).toBe(2);
  });
});

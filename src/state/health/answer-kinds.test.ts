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
const hit = (tokens: number) => ({ tokens });

function shared(
  [a, hitOfA]: readonly [InferenceRequest, number],
  [b, hitOfB]: readonly [InferenceRequest, number],
): number {
  const kinds = new Set(answerKindsOf(b, hit(hitOfB)));
  return answerKindsOf(a, hit(hitOfA)).filter((kind) => kinds.has(kind)).length;
}

const long = (end: string) => asked([{ kind: "text", text: `${"x".repeat(5_000)}${end}` }]);
const ids = (last: number) => asked([{ kind: "tokens", tokenIds: [...Array(999).keys(), last] }]);

describe("the kinds of a request", () => {
  it("are those of its beginnings, the empty one first", () => {
    expect(answerKindsOf(one, undefined)).toHaveLength(3);
    // Frames of chat templates begin no kind of their own.
    const framed = asked([text("", 2), system, text("", 2), text("Is it a cat?", 100)]);
    expect(answerKindsOf(framed, undefined)).toHaveLength(3);
  });

  it("are shared as far as prompts begin alike", () => {
    expect(shared([one, 0], [one, 0])).toBe(3);
    expect(shared([one, 0], [other, 0])).toBe(2);
    expect(shared([one, 0], [asked([text("Be brief.", 200)]), 0])).toBe(1);
  });

  it("begin at least as long as the hit that brought it there, give or take a block", () => {
    // 192 of 200 tokens of the system prompt: one kind with it, one with the question too.
    expect(answerKindsOf(one, hit(192))).toHaveLength(2);
    expect(shared([one, 192], [other, 0])).toBe(1);
    expect(shared([one, 280], [other, 0])).toBe(0);
    // Far beyond what is told apart.
    expect(answerKindsOf(one, hit(4_000))).toEqual([]);
  });

  it.each([
    ["model", { targetModel: "another" }],
    ["API", { dialect: "responses" }],
    ["limit of output", { outputTokensMax: 1 }],
    ["way of answering", { isStreaming: !one.isStreaming }],
    ["size", { promptTokens: 3_000 }],
    ["client", { head: aHead({ headers: new Map([["authorization", "Bearer b"]]) }) }],
  ] as const)("differ by %s", (_, differing) => {
    expect(shared([one, 0], [{ ...one, ...differing }, 0])).toBe(0);
  });

  it.each([
    ["an API without generated text", { dialect: "embeddings" }],
    ["several prompts", { prompts: [[system], [system]] }],
    ["an unread body", { dialect: "json", prompts: [] }],
  ] as const)("are none for %s", (_, differing) => {
    expect(answerKindsOf({ ...one, ...differing }, undefined)).toEqual([]);
  });

  it("read long texts at both ends, and lists of tokens", () => {
    expect(shared([long("a"), 0], [long("b"), 0])).toBe(1);
    expect(shared([ids(1), 0], [ids(2), 0])).toBe(1);
    expect(shared([ids(1), 0], [ids(1), 0])).toBe(2);
  });
});

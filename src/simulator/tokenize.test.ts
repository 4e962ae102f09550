import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chatTextOf, promptOfText, promptOfTokenIds } from "./tokenize.ts";

const scope = { blockTokens: 16, seed: "m" };

/** Blocks two prompts have in common from their start. */
function sharedBlocks(a: string, b: string, scopes = [scope, scope]): number {
  const [left, right] = [a, b].map(
    (text, index) => promptOfText(text, scopes[index] ?? scope).promptBlocks,
  );
  let shared = 0;
  while (left?.[shared] !== undefined && left[shared] === right?.[shared]) shared += 1;
  return shared;
}

describe("promptOfText", () => {
  it("makes a token of each 4 bytes and a block of each 16 tokens", () => {
    // 130 bytes: 32.5 tokens, rounded up, and 2 full blocks of 64 bytes.
    const prompt = promptOfText("x".repeat(130), scope);
    expect(prompt.promptTokens).toBe(33);
    expect(prompt.promptBlocks).toHaveLength(2);
  });

  it("counts bytes of UTF-8, not characters", () => {
    // Three bytes each: 100 * 3 / 4.
    expect(promptOfText("€".repeat(100), scope).promptTokens).toBe(75);
  });

  it("gives an empty prompt the token that starts every sequence", () => {
    expect(promptOfText("", scope)).toEqual({ promptTokens: 1, promptBlocks: [] });
  });

  it("shares exactly the blocks before the first difference", () => {
    fc.assert(
      fc.property(fc.nat(1_999), (position) => {
        const text = "abcdefg ".repeat(250);
        const other = `${text.slice(0, position)}#${text.slice(position + 1)}`;
        expect(sharedBlocks(text, other)).toBe(Math.floor(position / 64));
      }),
    );
  });

  it("shares nothing between two seeds", () => {
    const text = "x".repeat(640);
    expect(sharedBlocks(text, text)).toBe(10);
    expect(sharedBlocks(text, text, [scope, { blockTokens: 16, seed: "n" }])).toBe(0);
  });

  it("hashes repeated content differently in each place", () => {
    const { promptBlocks } = promptOfText("x".repeat(64_000), scope);
    expect(new Set(promptBlocks).size).toBe(1_000);
  });
});

describe("promptOfText with the answer that follows", () => {
  it("has the chain of a later prompt that begins with both", () => {
    fc.assert(
      fc.property(fc.nat(300), fc.integer({ min: 1, max: 300 }), (promptBytes, answerBytes) => {
        const text = "abcdefg ".repeat(40).slice(0, promptBytes);
        const answer = "answers.".repeat(40).slice(0, answerBytes);
        const { promptTokens, promptBlocks, outputBlocks = [] } = promptOfText(text, scope, answer);
        const later = promptOfText(`${text}${answer}\n<user>more`, scope).promptBlocks;
        const chain = [...promptBlocks, ...outputBlocks];
        expect(chain).toEqual(later.slice(0, Math.floor((promptBytes + answerBytes) / 64)));
        expect(promptTokens).toBe(promptOfText(text, scope).promptTokens);
      }),
    );
  });
});

describe("promptOfTokenIds", () => {
  it("makes a token of each id", () => {
    const ids = Array.from({ length: 40 }, (_, index) => index);
    const prompt = promptOfTokenIds(ids, scope);
    expect(prompt.promptTokens).toBe(40);
    expect(prompt.promptBlocks).toHaveLength(2);
    const other = promptOfTokenIds([...ids.slice(0, 20), 99, ...ids.slice(21)], scope);
    expect(other.promptBlocks[0]).toBe(prompt.promptBlocks[0]);
    expect(other.promptBlocks[1]).not.toBe(prompt.promptBlocks[1]);
  });
});

function image(url: string): unknown {
  return [{ type: "image_url", image_url: { url } }];
}

describe("chatTextOf", () => {
  const first = { role: "user", content: "x".repeat(300) };

  it("keeps the text of a conversation when a turn is appended", () => {
    const before = chatTextOf([first], undefined);
    const after = chatTextOf(
      [first, { role: "assistant", content: "y" }, { role: "user", content: "z" }],
      undefined,
    );
    // "<user>" + 300 + newline is 307 bytes of common text: 4 blocks of 64.
    expect(sharedBlocks(before, after)).toBe(4);
  });

  it("tells roles, tools, names and images apart", () => {
    const texts = [
      chatTextOf([first], undefined),
      chatTextOf([{ ...first, role: "system" }], undefined),
      chatTextOf([first], [{ type: "function" }]),
      chatTextOf([{ ...first, name: "n" }], undefined),
      chatTextOf([{ role: "user", content: image("a") }], undefined),
      chatTextOf([{ role: "user", content: image("b") }], undefined),
    ];
    expect(new Set(texts).size).toBe(texts.length);
  });

  it("serializes content that is nested too deeply", () => {
    const depth = 200_000;
    const deep: unknown = JSON.parse("[".repeat(depth) + "]".repeat(depth));
    // Which depth is too deep, if any, depends on the JavaScript engine.
    expect(chatTextOf([first], deep).endsWith("<assistant>")).toBe(true);
    expect(chatTextOf([{ role: "user", content: [deep] }], null).length).toBeLessThan(100);
  });

  it("reads text parts like a plain string", () => {
    const parts = [{ type: "text", text: "hello" }];
    expect(chatTextOf([{ role: "user", content: parts }], null)).toBe(
      chatTextOf([{ role: "user", content: "hello" }], null),
    );
  });
});

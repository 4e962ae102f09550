import { describe, expect, it } from "vitest";
import { LatencyInputs } from "./latency-inputs.ts";

const blind = { isStreaming: true, showsFirstToken: false, hasCachedTokens: false };
const clear = { isStreaming: true, showsFirstToken: true, hasCachedTokens: true };
const whole = { isStreaming: false, showsFirstToken: false, hasCachedTokens: true };

function inputsAfter(...answers: readonly (typeof blind)[]): LatencyInputs {
  const inputs = new LatencyInputs();
  for (const answer of answers) inputs.noteAnswer(answer);
  return inputs;
}

const times = (count: number, answer: typeof blind) => Array.from({ length: count }, () => answer);

describe("the inputs of the latency model", () => {
  it("are unknown before the first request", () => {
    const { promptTokens, firstTokens, cachedTokens } = new LatencyInputs();
    expect([promptTokens, firstTokens, cachedTokens]).toEqual([NaN, NaN, NaN]);
  });

  it("are those of the first request, and follow the others slowly", () => {
    const inputs = inputsAfter(clear, whole);
    // 1 + 0.02 x (0 - 1)
    expect(inputs.firstTokens).toBeCloseTo(0.98, 9);
    expect(inputs.cachedTokens).toBe(1);
    inputs.noteRequest(false);
    inputs.noteRequest(true);
    expect(inputs.promptTokens).toBeCloseTo(0.02, 9);
  });
});

describe("streams", () => {
  it.each([
    ["before any", [], true],
    // 0.9^6 = 0.53 and 0.9^7 = 0.48
    ["after six that showed none", times(6, blind), true],
    ["after seven that showed none", times(7, blind), false],
    // 0.48 + 0.1 x 0.52 = 0.53
    ["after one that shows it again", [...times(7, blind), clear], true],
    ["whatever answers in one piece show", times(99, whole), true],
  ])("are expected to show first tokens: %s", (_, answers, expected) => {
    expect(inputsAfter(...answers).streamsShowFirstTokens).toBe(expected);
  });
});

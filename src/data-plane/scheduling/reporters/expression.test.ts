import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expressionOf } from "./expression.ts";
import { NoValueError } from "./expression-values.ts";

const usage = {
  prompt_tokens: 7,
  completion_tokens: 5,
  prompt_tokens_details: { cached_tokens: 3 },
};

function resultOf(text: string): string {
  try {
    expressionOf(text);
    return "compiled";
  } catch (cause) {
    return cause instanceof Error ? cause.name : "unknown";
  }
}

describe("an expression over usage", () => {
  it.each([
    ["usage.prompt_tokens + usage.completion_tokens", 12],
    ["usage.prompt_tokens - usage.completion_tokens * 2", -3],
    ["(usage.prompt_tokens - usage.completion_tokens) * 2", 4],
    ["8 - 4 - 2", 2n],
    ["7 / 2 * 2", 6n],
    ["-7 / 2", -3n],
    ["-7 % 4", -3n],
    ["7.0 / 2", 3.5],
    ["1.5e3", 1_500],
    ["usage.prompt_tokens / 2", 3.5],
    ["int(usage.prompt_tokens) / 2", 3n],
    ["double(7) / 2", 3.5],
    ['usage["prompt_tokens"]', 7],
    ["usage.prompt_tokens_details.cached_tokens", 3],
    ["has(usage.total) ? usage.total : 0", 0n],
    ["has(usage.prompt_tokens_details.cached_tokens)", true],
    ["usage.prompt_tokens == 7 && 7 == 7.0", true],
    ["1 < 2 || usage.missing > 1", true],
    ["usage.missing > 1 || 1 < 2", true],
    ["usage.missing > 1 && false", false],
    ["!(1 >= 2) && 2 != 3 && 1 <= 1", true],
    ["true ? false ? 1 : 2 : 3", 2n],
    ["'a' + \"b\" == 'ab'", true],
    ["null == null", true],
    ["1 // one\n + 1", 2n],
    ["- -usage.prompt_tokens", 7],
  ])("%s is %s", (text, value) => {
    expect(expressionOf(text)(usage)).toBe(value);
  });

  it.each([
    "usage.missing",
    "usage.prompt_tokens.more",
    "has(usage.prompt_tokens.more)",
    "1 + true",
    "'a' * 2",
    "'a' < 2",
    "1 / 0",
    "1 % 0",
    "9223372036854775807 + 1",
    "int('1')",
    "int(1.0 / 0)",
    "double(true)",
    "usage ? 1 : 2",
    "1 && true",
    "usage.missing || false",
    "usage.toString",
    "-'a'",
  ])("%s has no value", (text) => {
    const expression = expressionOf(text);
    expect(() => expression(usage)).toThrow(NoValueError);
  });

  it.each([
    ["usage.prompt_tokens + -", "unexpected end"],
    ["usage.prompt_tokens > ", "unexpected end"],
    ["1 2", "unexpected 2 at character 3"],
    ["request.size", "request is unknown: want usage"],
    ["size(usage)", "size() is unknown: want has, int or double"],
    ["has(1)", "has() wants a field, such as usage.prompt_tokens"],
    ["usage.", "unexpected end: want a name"],
    ["usage[0]", "unexpected 0 at character 7: want a string"],
    ["(1", "unexpected end: want )"],
    ["1 ? 2", "unexpected end: want :"],
    ["1 = 2", "unexpected = at character 3"],
    ["'open", "unexpected ' at character 1"],
    ["9223372036854775808", "9223372036854775808 is beyond 64 bits"],
    ["", "unexpected end"],
  ])("%s is refused", (text, message) => {
    expect(() => expressionOf(text)).toThrow(new SyntaxError(message));
  });

  it("is refused or compiled, whatever the text", () => {
    const part = fc.constantFrom(
      "usage",
      ".",
      "a",
      "(",
      ")",
      "1",
      "+",
      "-",
      "has(",
      "?",
      ":",
      "&&",
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(part).map((parts) => parts.join(" ")),
    );
    fc.assert(
      fc.property(text, (given) => {
        expect(["compiled", "SyntaxError"]).toContain(resultOf(given));
      }),
    );
  });
});

import { expect, it } from "vitest";
import type { RewriteRule } from "../core/policies.ts";
import { knownModelsOf } from "./known-models.ts";

const to = (...targets: readonly string[]) => targets.map((modelRewrite) => ({ modelRewrite }));
const exact = (value: string) => ({ model: { value } });

const rules: readonly RewriteRule[] = [
  { matches: [exact("chat"), exact("chat-v1")], targets: to("llama", "llama-canary") },
  { matches: null, targets: to("fallback") },
];

it.each([
  ["a name that a rule matches", "chat-v1", true],
  ["a target of a rule", "llama-canary", true],
  ["the target of a rule for all models", "fallback", true],
  ["a model that an endpoint serves", "sql-lora", true],
  ["an invented name", "invented", false],
])("knows %s: %s", (_, model, isKnown) => {
  const known = knownModelsOf({
    rewriteRules: () => rules,
    isServed: (name) => name === "sql-lora",
  });
  expect(known.has(model)).toBe(isKnown);
});

it.each([
  ["chat", "llama", true],
  ["chat-v1", "llama-canary", true],
  ["anything", "fallback", true],
  ["llama", "chat", false],
  ["sql-lora", "llama", false],
])("joins %s and %s: %s", (model, target, isJoined) => {
  const known = knownModelsOf({ rewriteRules: () => rules, isServed: () => true });
  expect(known.rewrites(model, target)).toBe(isJoined);
});

it("follows rules that change", () => {
  let current: readonly RewriteRule[] = [];
  const known = knownModelsOf({ rewriteRules: () => current, isServed: () => false });
  expect(known.has("chat")).toBe(false);
  current = rules;
  expect(known.has("chat")).toBe(true);
  current = [];
  expect(known.has("chat")).toBe(false);
});

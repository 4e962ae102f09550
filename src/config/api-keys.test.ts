import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseApiKeys } from "./api-keys.ts";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const [alice, bob] = ["sk-alice-0123456789", "sk-bob-0123456789ab"];

const keysIn = (text: string) => {
  const parsed = parseApiKeys(text);
  if (parsed.kind === "invalid") throw new Error(parsed.mistakes.join("\n"));
  return parsed.keys;
};
const mistakesIn = (text: string) => {
  const parsed = parseApiKeys(text);
  return parsed.kind === "invalid" ? parsed.mistakes : [];
};

describe("a file of API keys", () => {
  it("has one key a line, with or without a name, as a text or as its hash", () => {
    const text = `# our keys\n\nalice ${alice}\r\n  bob\tsha256:${sha256(bob).toUpperCase()}\n${alice}2\n`;
    expect(keysIn(text)).toMatchObject([
      { name: "alice", digests: [sha256(alice)], models: undefined },
      { name: "bob", digests: [sha256(bob)] },
      { name: `key-${sha256(`${alice}2`).slice(0, 8)}` },
    ]);
  });

  it.each(["keys:\n", "# comment\n---\nkeys:\n", "\uFEFFkeys:\n"])(
    "is a document if it begins with %j",
    (start) => {
      const text = `${start}  - name: alice\n    key: [${alice}, "sha256:${sha256(bob)}"]\n    models: [m]\n    requestsPerMinute: 60\n    tokensPerMinute: 1000\n`;
      expect(keysIn(text)).toEqual([
        {
          name: "alice",
          digests: [sha256(alice), sha256(bob)],
          models: ["m"],
          requestsPerMinute: 60,
          tokensPerMinute: 1_000,
        },
      ]);
    },
  );

  it("may be JSON, and may have no key at all if it says so", () => {
    expect(keysIn(JSON.stringify({ keys: [{ key: alice }] }))).toHaveLength(1);
    expect(keysIn("keys: []")).toEqual([]);
  });

  it.each([
    ["", "there are no keys"],
    ["# none\n", "there are no keys"],
    ["short", "line 1: a key has 16 characters or more"],
    [`a b ${alice}`, "line 1: want a key, or a name and a key"],
    [`a:b ${alice}`, "line 1: a name has 1 to 64 letters, digits and . _ @ / -"],
    ["sha256:abc", "line 1: want 64 hexadecimal digits after sha256:"],
    [`a ${alice}\na ${bob}`, "line 2: another key has the same name"],
    [`a ${alice}\nb ${alice}`, "line 2: the key is there twice"],
    [`keys: [{key: ${alice}, rpm: 1}]`, "keys[0]: unrecognized keys: rpm"],
    [`keys: [{key: ${alice}, requestsPerMinute: 0}]`, "keys[0].requestsPerMinute: too small"],
    ["keys: [{name: a}]", "keys[0].key: invalid union"],
    ["keys: [", "line 1, column 8: not valid YAML"],
  ])("%j is refused: %s", (text, mistake) => {
    expect(mistakesIn(text)).toContain(mistake);
  });

  it("never shows a key in a mistake", () => {
    const pieces = fc.constantFrom(
      ...[
        "keys:",
        "\n",
        "  - ",
        "key: ",
        "name: ",
        "{",
        "}",
        "[",
        "]",
        ",",
        '"',
        "'",
        "&a ",
        "*a ",
      ],
      ...[alice, `${alice} `, `sha256:${sha256(alice)}`, `sha256:${alice}`, "models: ", "!!int "],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (chosen) => {
        const mistakes = mistakesIn(chosen.join("")).join("\n");
        expect(mistakes).not.toContain("0123456789");
        expect(mistakes).not.toContain(sha256(alice));
      }),
      { numRuns: 2_000 },
    );
  });
});

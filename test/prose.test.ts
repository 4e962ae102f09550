import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import {
  commentsOf,
  definitionRules,
  definitionsOf,
  eventRules,
  findingsIn,
  logMessagesIn,
  proseOfMarkdown,
  proseRules,
} from "#test/support/prose.ts";
import { commandFor } from "../src/cli/commands.ts";

const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
  .map((file) => path.join("src", file))
  .filter(
    (file) => /\.[jt]s$/u.test(file) && !file.endsWith(".d.ts") && !file.includes("/generated/"),
  )
  .toSorted();

const pages = [
  "README.md",
  "CONTRIBUTING.md",
  ...readdirSync("docs")
    .filter((file) => file.endsWith(".md"))
    .map((file) => path.join("docs", file)),
  ...["src", "loadtest", "test", "manifests"].flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".md"))
      .map((file) => path.join(folder, file)),
  ),
];

/** Findings as lines: the place, the word, what to say. */
function shown(place: string, findings: ReturnType<typeof findingsIn>): readonly string[] {
  return findings.map(({ line, word, say }) => `${place}:${line}: "${word}": say ${say}`);
}

function findingsInComments(file: string): readonly string[] {
  const comments = commentsOf(readFileSync(file, "utf8"));
  return [
    ...shown(file, findingsIn(comments, proseRules)),
    ...shown(file, findingsIn(definitionsOf(comments), definitionRules)),
  ];
}

describe("the writing rules of CONTRIBUTING.md", () => {
  it.each(pages)("hold in %s", (file) => {
    const text = proseOfMarkdown(readFileSync(file, "utf8"));
    expect(shown(file, findingsIn(text, proseRules))).toEqual([]);
  });

  it("hold in the changelog of the next release", () => {
    const text = readFileSync("CHANGELOG.md", "utf8");
    const [, head = "", unreleased = ""] =
      /^([^]*?## Unreleased)([^]*?)(?:\n## |$)/u.exec(text) ?? [];
    expect(unreleased).not.toBe("");
    const prose = proseOfMarkdown(head.replaceAll(/[^\n]/gu, "") + unreleased);
    expect(shown("CHANGELOG.md", findingsIn(prose, proseRules))).toEqual([]);
  });

  it.each(["help", "serve", "sim", "demo", "check", "status", "doctor"])(
    "hold in the help of %s",
    async (name) => {
      const help = await helpOf(name);
      const texts = help
        .split("\n")
        .map((line) => line.trim())
        .join("\n");
      expect(help.split("\n").length).toBeGreaterThan(5);
      expect(
        shown(`${name} --help`, findingsIn(texts, [...proseRules, ...definitionRules])),
      ).toEqual([]);
    },
  );

  it("hold in log messages, which are events", () => {
    const programs = sources.filter((file) => !file.endsWith(".test.ts"));
    const found = programs.flatMap((file) =>
      logMessagesIn(readFileSync(file, "utf8")).flatMap(({ line, text }) =>
        findingsIn(text, [...proseRules, ...eventRules]).map(
          ({ word, say }) => `${file}:${line}: "${word}": say ${say}`,
        ),
      ),
    );
    expect(found).toEqual([]);
  });

  it("find the log messages of the sources", () => {
    const messages = sources
      .filter((file) => !file.endsWith(".test.ts"))
      .flatMap((file) => logMessagesIn(readFileSync(file, "utf8")).map(({ text }) => text));
    expect(messages.length).toBeGreaterThan(40);
    expect(messages).toEqual(expect.arrayContaining(["endpoint ejected", "configuration refused"]));
  });

  it("hold in the comments of every source", () => {
    expect(sources.flatMap(findingsInComments)).toEqual([]);
  });
});

describe("the check of prose", () => {
  it.each([
    ["Nobody reads it.", "Nobody"],
    ["It goes before this flag.", "goes before"],
    ["The pod has gone.", "has gone"],
    ["undefined for what is none", "what is none"],
    ["Returns it as it is.", "as it is"],
    ["Where nothing is set, 1.", "Where nothing"],
    ["some 20 ms", "some "],
    ["A test lies beside it.", "beside"],
  ])("finds fault with %j", (text, word) => {
    expect(findingsIn(text, proseRules)).toMatchObject([{ line: 1, word }]);
  });

  it.each([
    "If there is none, the default applies.",
    "besides, the body of a request",
    "as it is read",
    "the place where it runs",
    "some requests",
    "None is lost.",
    "Something has gone wrong.",
  ])("has nothing against %j", (text) => {
    expect(findingsIn(text, proseRules)).toEqual([]);
  });

  it("reads Markdown without its code, and keeps the lines", () => {
    const text = "one `nobody`\n```\nnobody\n```\nnobody\n";
    expect(findingsIn(proseOfMarkdown(text), proseRules)).toMatchObject([{ line: 5 }]);
  });

  it("reads comments and no texts of the program", () => {
    const source = 'const a = "nobody // nobody"; // nobody\n/** Whether it runs. */\n';
    const comments = commentsOf(source);
    expect(findingsIn(comments, proseRules)).toMatchObject([{ line: 1, word: "nobody" }]);
    expect(findingsIn(definitionsOf(comments), definitionRules)).toMatchObject([
      { line: 2, word: "Whether" },
    ]);
  });

  it("finds messages of a log, not the texts of their fields", () => {
    const source = 'log.warn(\n  { why: "it is so", at: f("a b") },\n  "endpoint ejected",\n);';
    expect(logMessagesIn(source)).toEqual([{ line: 3, text: "endpoint ejected" }]);
    expect(findingsIn("the pool is lost", eventRules)).toHaveLength(2);
    expect(findingsIn("endpoint ejected", eventRules)).toEqual([]);
  });
});

async function helpOf(name: string): Promise<string> {
  const texts: string[] = [];
  const { command, argv } = commandFor(name === "help" ? ["help"] : [name, "--help"], {});
  const signal = new AbortController().signal;
  await command.run({
    argv,
    env: {},
    stdout: (text) => void texts.push(text),
    stderr: (text) => void texts.push(text),
    stop: signal,
    cut: signal,
  });
  return texts.join("");
}

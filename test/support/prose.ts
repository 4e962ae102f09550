/** A word or phrase that native engineers do not write in these texts, and its replacement. */
export interface ProseRule {
  readonly pattern: RegExp;
  readonly say: string;
}

export interface ProseFinding {
  /** Line in the text, from 1. */
  readonly line: number;
  readonly word: string;
  readonly say: string;
}

/** Rules for every text that people read. Each pattern has to be wrong wherever it matches. */
export const proseRules: readonly ProseRule[] = [
  {
    pattern: /\b(?:some|no|any|every)body\b/giu,
    say: "the subject, such as `no client` or `a caller`",
  },
  { pattern: /\bwho(?:so)?ever\b/giu, say: "the subject, such as `any client that`" },
  { pattern: /\bof late\b/giu, say: "recently" },
  { pattern: /\bbeside\b/giu, say: "next to, besides" },
  { pattern: /\banew\b/giu, say: "again" },
  { pattern: /\bin vain\b/giu, say: "without success" },
  { pattern: /\b(?:goes|go|went) before\b/giu, say: "takes precedence over" },
  { pattern: /\b(?:has|have) gone\b(?! wrong)/giu, say: "is gone, was removed, ended" },
  { pattern: /\b(?:what|which|that|it) is none\b/giu, say: "if it is not a …" },
  { pattern: /\b(?:is|are) no news\b/giu, say: "is not reported again" },
  { pattern: /\bas (?:it is|they are)(?=[.,;:)])/giu, say: "unchanged" },
  {
    pattern: /\bwhere (?:there (?:is|are|was)|none|nothing|no|not)\b/giu,
    say: "if …, as `where` is for places",
  },
  { pattern: /\bsome (?=\d)/giu, say: "about" },
];

/** Rules for descriptions, which name the thing: comments before a declaration, texts of flags. */
export const definitionRules: readonly ProseRule[] = [
  { pattern: /^(?:What|Whether|Who|How)\b/gu, say: "the noun that it defines, or `True if`" },
];

/** Rules for log messages, which are a noun and a past participle. */
export const eventRules: readonly ProseRule[] = [
  {
    pattern: /\b(?:is|are|was|were|has|have|can|cannot|could|will|does|the|an?)\b/giu,
    say: "a noun and a past participle, such as `endpoint ejected`",
  },
  { pattern: /^(?!API |TLS )[A-Z]/gu, say: "a lower-case letter" },
  { pattern: /[.!:]$/gu, say: "no punctuation at the end" },
  { pattern: /: /gu, say: "a field for the details" },
];

export function findingsIn(text: string, rules: readonly ProseRule[]): readonly ProseFinding[] {
  const found = text
    .split("\n")
    .flatMap((line, index) =>
      rules.flatMap(({ pattern, say }) =>
        [...line.matchAll(pattern)].map(([word]) => ({ line: index + 1, word, say })),
      ),
    );
  return found;
}

/** Markdown as prose: code and what is marked as an example of bad prose are blank, lines stay. */
export function proseOfMarkdown(text: string): string {
  return [/<!-- prose: off -->[^]*?<!-- prose: on -->/gu, /^```[^]*?^```/gmu, /`[^`\n]*`/gu].reduce(
    (rest, pattern) => rest.replace(pattern, blank),
    text,
  );
}

/** The comments of a TypeScript source; everything else is blank, lines stay. */
export function commentsOf(source: string): string {
  const token =
    /(?<code>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|(?<comment>\/\*[^]*?\*\/|\/\/[^\n]*)/gu;
  let comments = "";
  let at = 0;
  for (const match of source.matchAll(token)) {
    comments += blank(source.slice(at, match.index));
    comments += match.groups?.["comment"] === undefined ? blank(match[0]) : match[0];
    at = match.index + match[0].length;
  }
  return comments + blank(source.slice(at));
}

/** The first words of each comment before a declaration, one a line, the other lines blank. */
export function definitionsOf(comments: string): string {
  return comments
    .split("\n")
    .map((line, index, lines) => {
      const inline = /\/\*\* (?<text>.*)/u.exec(line)?.groups?.["text"];
      if (inline !== undefined) return inline;
      const isFirst = (lines[index - 1] ?? "").trim() === "/**";
      return isFirst ? line.replace(/^\s*\* ?/u, "") : "";
    })
    .join("\n");
}

/** The texts that a source hands to a logger, each with its line. */
export function logMessagesIn(source: string): readonly { line: number; text: string }[] {
  const calls = source.matchAll(/\blog\??\.(?:debug|info|warn|error)\(|\.log\("(?:info|warn)",/gu);
  return [...calls].flatMap((call) => {
    const from = call.index + call[0].length;
    const args = source.slice(from, from + lengthOfArguments(source.slice(from)));
    return [...args.matchAll(/"(?<text>(?:[^"\\\n]|\\.)*)"/gu)]
      .filter(({ index }) => isOutsideOfFields(args.slice(0, index)))
      .map(({ index, groups }) => ({
        line: source.slice(0, from + index).split("\n").length,
        text: groups?.["text"] ?? "",
      }))
      .filter(({ text }) => text.includes(" "));
  });
}

/** Characters until the call's own parenthesis closes. */
function lengthOfArguments(text: string): number {
  let depth = 1;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\\n]|\\.)*"|[()]/gu)) {
    if (token === "(") depth += 1;
    if (token === ")") depth -= 1;
    if (depth === 0) return index;
  }
  return text.length;
}

/** True if the braces before a text are closed: it is the message, not the value of a field. */
function isOutsideOfFields(before: string): boolean {
  const code = before.replaceAll(/"(?:[^"\\\n]|\\.)*"/gu, "");
  return code.split("{").length === code.split("}").length;
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/gu, " ");
}

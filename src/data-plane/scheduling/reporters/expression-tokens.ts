/** A token of an expression. `at`: the index of its first character. */
export interface Token {
  readonly kind: "number" | "string" | "name" | "sign" | "end";
  readonly text: string;
  readonly at: number;
}

const patterns: readonly (readonly [Token["kind"] | "gap", RegExp])[] = [
  ["gap", /\s+|\/\/[^\n]*/y],
  ["number", /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\d+)/y],
  ["string", /"[^"\\\n]*"|'[^'\\\n]*'/y],
  ["name", /[A-Za-z_][A-Za-z0-9_]*/y],
  ["sign", /&&|\|\||[<>=!]=|[-+*/%<>!?:.,()[\]]/y],
];

/** The tokens of an expression, ended by one of the kind `end`. Throws a `SyntaxError` at other characters. */
export function tokensOf(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const token = tokenAt(text, at);
    if (token === undefined) throw new SyntaxError(`unexpected ${text[at]} at character ${at + 1}`);
    if (token.kind !== "gap") tokens.push({ ...token, kind: token.kind });
    at += token.text.length;
  }
  return [...tokens, { kind: "end", text: "", at }];
}

function tokenAt(text: string, at: number) {
  for (const [kind, pattern] of patterns) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) return { kind, text: found[0], at };
  }
  return undefined;
}

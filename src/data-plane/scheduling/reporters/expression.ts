import { type Token, tokensOf } from "./expression-tokens.ts";
import {
  combined,
  fieldOf,
  integer,
  isMap,
  NoValueError,
  type Operator,
  type Value,
  type ValueMap,
} from "./expression-values.ts";

/** A compiled expression. Throws if it has no value. */
export type Expression = (usage: ValueMap) => Value;

/** A path that `has` can test: a map and the name of its field. */
interface Path {
  readonly of: Expression;
  readonly name: string;
}

interface Compiled {
  readonly valueOf: Expression;
  /** Undefined if it is not a field. */
  readonly path?: Path;
}

/** Strengths by which binary operators bind. */
const strengths: Readonly<Record<string, number>> = {
  "||": 1,
  "&&": 2,
  "<": 3,
  "<=": 3,
  ">": 3,
  ">=": 3,
  "==": 3,
  "!=": 3,
  "+": 4,
  "-": 4,
  "*": 5,
  "/": 5,
  "%": 5,
};

const constants = new Map<string, Value>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/**
 * Compiles an expression of CEL over the variable `usage`: numbers, strings, fields, `has`, `int`, `double`, arithmetic,
 * comparisons, `!`, `&&`, `||` and `? :`. Throws a `SyntaxError` that names the mistake.
 */
export function expressionOf(text: string): Expression {
  return new Parser(tokensOf(text)).whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const { valueOf } = this.#conditional();
    if (this.#next.kind !== "end") this.#unexpected();
    return valueOf;
  }

  get #next(): Token {
    const token = this.#tokens[this.#at];
    // The last token is the end, which is never taken.
    if (token === undefined) throw new SyntaxError("unexpected end");
    return token;
  }

  #conditional(): Compiled {
    const tested = this.#binary(1);
    if (!this.#takes("?")) return tested;
    const yes = this.#conditional().valueOf;
    this.#want(":");
    const no = this.#conditional().valueOf;
    return { valueOf: (usage) => (truth(tested.valueOf(usage)) ? yes(usage) : no(usage)) };
  }

  /** A chain of operators that bind at least this tightly. */
  #binary(strengthMin: number): Compiled {
    let left = this.#unary();
    for (;;) {
      const { kind, text } = this.#next;
      const strength = kind === "sign" ? (strengths[text] ?? 0) : 0;
      if (strength < strengthMin) return left;
      this.#at += 1;
      left = { valueOf: joined(text, left.valueOf, this.#binary(strength + 1).valueOf) };
    }
  }

  #unary(): Compiled {
    if (this.#takes("!")) {
      const { valueOf } = this.#unary();
      return { valueOf: (usage) => !truth(valueOf(usage)) };
    }
    if (this.#takes("-")) {
      const { valueOf } = this.#unary();
      return { valueOf: (usage) => negative(valueOf(usage)) };
    }
    return this.#fields(this.#primary());
  }

  #fields(start: Compiled): Compiled {
    let found = start;
    for (;;) {
      if (this.#takes(".")) found = fieldAt(found.valueOf, this.#taken("name").text);
      else if (this.#takes("[")) {
        found = fieldAt(found.valueOf, this.#taken("string").text.slice(1, -1));
        this.#want("]");
      } else return found;
    }
  }

  #primary(): Compiled {
    if (this.#takes("(")) {
      const { valueOf } = this.#conditional();
      this.#want(")");
      return { valueOf };
    }
    const { kind, text } = this.#next;
    if (kind === "number") return constant(this.#number());
    if (kind === "string") return constant(this.#taken("string").text.slice(1, -1));
    if (kind !== "name") this.#unexpected();
    this.#at += 1;
    if (this.#takes("(")) return this.#call(text);
    const known = constants.get(text);
    if (known !== undefined) return constant(known);
    if (text === "usage") return { valueOf: (usage) => usage };
    throw new SyntaxError(`${text} is unknown: want usage`);
  }

  #call(name: string): Compiled {
    const argument = this.#conditional();
    this.#want(")");
    if (name === "int") return { valueOf: (usage) => asInteger(argument.valueOf(usage)) };
    if (name === "double") return { valueOf: (usage) => asNumber(argument.valueOf(usage)) };
    if (name !== "has") throw new SyntaxError(`${name}() is unknown: want has, int or double`);
    const { path } = argument;
    if (path === undefined)
      throw new SyntaxError("has() wants a field, such as usage.prompt_tokens");
    return { valueOf: (usage) => isPresent(path, usage) };
  }

  #number(): Value {
    const { text } = this.#taken("number");
    if (!/^\d+$/u.test(text)) return Number(text);
    try {
      return integer(BigInt(text));
    } catch {
      throw new SyntaxError(`${text} is beyond 64 bits`);
    }
  }

  #takes(sign: string): boolean {
    const { kind, text } = this.#next;
    if (kind !== "sign" || text !== sign) return false;
    this.#at += 1;
    return true;
  }

  #want(sign: string): void {
    if (!this.#takes(sign)) this.#unexpected(sign);
  }

  #taken(kind: Token["kind"]): Token {
    const token = this.#next;
    if (token.kind !== kind) this.#unexpected(`a ${kind}`);
    this.#at += 1;
    return token;
  }

  #unexpected(wanted?: string): never {
    const { kind, text, at } = this.#next;
    const found = kind === "end" ? "unexpected end" : `unexpected ${text} at character ${at + 1}`;
    throw new SyntaxError(wanted === undefined ? found : `${found}: want ${wanted}`);
  }
}

function constant(value: Value): Compiled {
  return { valueOf: () => value };
}

function fieldAt(of: Expression, name: string): Compiled {
  return { valueOf: (usage) => fieldOf(of(usage), name), path: { of, name } };
}

function isPresent({ of, name }: Path, usage: ValueMap): boolean {
  const map = of(usage);
  if (!isMap(map)) throw new NoValueError(`${name} of no object`);
  return Object.hasOwn(map, name);
}

function joined(operator: string, left: Expression, right: Expression): Expression {
  if (operator === "&&") return decidedBy(false, left, right);
  if (operator === "||") return decidedBy(true, left, right);
  // `strengths` has these two and the operators.
  const binary = operator as Operator;
  return (usage) => combined(binary, left(usage), right(usage));
}

/** As in CEL, a side that decides alone does so even if the other has no value. */
function decidedBy(deciding: boolean, left: Expression, right: Expression): Expression {
  return (usage) => {
    try {
      if (truth(left(usage)) === deciding) return deciding;
    } catch (cause) {
      if (truth(right(usage)) === deciding) return deciding;
      throw cause;
    }
    return truth(right(usage));
  };
}

function truth(value: Value): boolean {
  if (typeof value !== "boolean") throw new NoValueError("not a boolean");
  return value;
}

function negative(value: Value): Value {
  if (typeof value === "bigint") return integer(-value);
  return -asNumber(value);
}

function asInteger(value: Value): bigint {
  if (typeof value === "bigint") return value;
  if (typeof value !== "number" || !Number.isFinite(value)) throw new NoValueError("no integer");
  return integer(BigInt(Math.trunc(value)));
}

function asNumber(value: Value): number {
  if (typeof value !== "number" && typeof value !== "bigint") throw new NoValueError("no number");
  return Number(value);
}

/** A value of an expression. An integer is a `bigint`; a number of JSON is a `number`. */
export type Value = bigint | number | string | boolean | null | ValueMap;

export interface ValueMap {
  readonly [name: string]: Value;
}

type Arithmetic = "+" | "-" | "*" | "/" | "%";
type Comparison = "<" | "<=" | ">" | ">=" | "==" | "!=";
export type Operator = Arithmetic | Comparison;

/** An expression has no value, for example because a field is missing. */
export class NoValueError extends Error {}

/** Two integers give an integer; any other pair of numbers gives a number. */
export function combined(operator: Operator, a: Value, b: Value): Value {
  switch (operator) {
    case "==":
      return isEqual(a, b);
    case "!=":
      return !isEqual(a, b);
    case "<":
    case "<=":
    case ">":
    case ">=":
      return isOrdered(operator, a, b);
    case "+":
    case "-":
    case "*":
    case "/":
    case "%":
      return calculated(operator, a, b);
  }
}

export function isMap(value: Value): value is ValueMap {
  return typeof value === "object" && value !== null;
}

/** The field of a map; fields of its prototype do not count. */
export function fieldOf(map: Value, name: string): Value {
  if (!isMap(map)) throw new NoValueError(`${name} of what has no fields`);
  const value = Object.hasOwn(map, name) ? map[name] : undefined;
  if (value === undefined) throw new NoValueError(`no field ${name}`);
  return value;
}

/** An integer of 64 bits, as in CEL. */
export function integer(value: bigint): bigint {
  if (BigInt.asIntN(64, value) !== value) throw new NoValueError("beyond 64 bits");
  return value;
}

function isNumber(value: Value): value is bigint | number {
  return typeof value === "bigint" || typeof value === "number";
}

function isEqual(a: Value, b: Value): boolean {
  if (typeof a === "bigint" && typeof b === "bigint") return a === b;
  return isNumber(a) && isNumber(b) ? Number(a) === Number(b) : a === b;
}

function isOrdered(operator: "<" | "<=" | ">" | ">=", a: Value, b: Value): boolean {
  const isPair = (isNumber(a) && isNumber(b)) || (typeof a === "string" && typeof b === "string");
  if (!isPair) throw new NoValueError(`no ${operator} of these types`);
  switch (operator) {
    case "<":
      return a < b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case ">=":
      return a >= b;
  }
}

function calculated(operator: Arithmetic, a: Value, b: Value): Value {
  if (typeof a === "bigint" && typeof b === "bigint") return ofIntegers(operator, a, b);
  if (operator === "+" && typeof a === "string" && typeof b === "string") return a + b;
  if (!isNumber(a) || !isNumber(b)) throw new NoValueError(`no ${operator} of these types`);
  return ofNumbers(operator, Number(a), Number(b));
}

function ofIntegers(operator: Arithmetic, a: bigint, b: bigint): bigint {
  if ((operator === "/" || operator === "%") && b === 0n) throw new NoValueError("division by 0");
  switch (operator) {
    case "+":
      return integer(a + b);
    case "-":
      return integer(a - b);
    case "*":
      return integer(a * b);
    case "/":
      return integer(a / b);
    case "%":
      return a % b;
  }
}

function ofNumbers(operator: Arithmetic, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
    case "%":
      return a % b;
  }
}

import type { JsonSchema } from "./json-schema.ts";

/** One row of a table of parameters or fields. */
export interface Row {
  /** Dotted, with `[]` for the entries of a list. */
  readonly name: string;
  readonly type: string;
  readonly unit: string;
  /** What holds where it is left out, or that it may not be. */
  readonly initial: string;
  readonly description: string;
  readonly tune: string;
}

/** The rows of an object's fields, those of objects within it after their own. */
export function rowsOf(schema: JsonSchema, prefix = ""): Row[] {
  const { properties = {}, required = [] } = schema;
  return Object.entries(properties).flatMap(([key, field]) => {
    const name = prefix === "" ? key : `${prefix}.${key}`;
    return rowsOfField(field, name, required.includes(key));
  });
}

function rowsOfField(field: JsonSchema, name: string, isRequired: boolean): Row[] {
  if (isList(field)) {
    const { items = {} } = field;
    const inner = items.properties === undefined ? [] : rowsOf(items, `${name}[]`);
    return [rowOf(field, `${name}[]`, isRequired), ...inner];
  }
  if (field.properties === undefined) return [rowOf(field, name, isRequired)];
  const own = field.description === undefined ? [] : [rowOf(field, name, isRequired)];
  return [...own, ...rowsOf(field, name)];
}

function rowOf(field: JsonSchema, name: string, isRequired: boolean): Row {
  const isDuration = field.unit === "duration";
  return {
    name,
    type: isDuration ? "duration, such as `200ms`" : typeText(field),
    unit: isDuration ? "" : (field.unit ?? ""),
    initial: isRequired ? "required" : initialText(field.default),
    description: field.description ?? "",
    tune: field.tune ?? "",
  };
}

function typeText(field: JsonSchema): string {
  if (field.not !== undefined) return "refused";
  if (field.const !== undefined) return code(field.const);
  if (field.enum !== undefined) return oneOf(field.enum.map((value) => code(value)));
  if (field.anyOf !== undefined) {
    const choices = field.anyOf.filter(({ type }) => type !== "null");
    return oneOf(choices.map((each) => typeText(each)));
  }
  switch (baseType(field)) {
    case "string":
      return field.minLength === undefined ? "text" : "text, not empty";
    case "integer":
      return bounded("whole number", field);
    case "number":
      return bounded("number", field);
    case "boolean":
      return "`true` or `false`";
    case "array":
      return listText(field);
    case "object":
      return mapText(field);
    case undefined:
    default:
      return "anything";
  }
}

function listText({ items = {}, minItems }: JsonSchema): string {
  const bound = minItems === undefined ? "" : `, ${minItems} or more`;
  return items.properties === undefined ? `list of ${typeText(items)}${bound}` : `list${bound}`;
}

function mapText({ properties, additionalProperties }: JsonSchema): string {
  if (properties !== undefined || typeof additionalProperties !== "object") return "object";
  const inner = typeText(additionalProperties);
  return inner === "anything" ? "object" : `object of ${inner}`;
}

function bounded(noun: string, field: JsonSchema): string {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below } = field;
  if (minimum !== undefined && maximum !== undefined) return `${noun}, ${minimum} to ${maximum}`;
  const bounds = [
    minimum === undefined ? "" : `${minimum} or more`,
    above === undefined ? "" : `above ${above}`,
    maximum === undefined ? "" : `at most ${maximum}`,
    below === undefined ? "" : `below ${below}`,
  ].filter((bound) => bound !== "");
  return [noun, ...bounds].join(", ");
}

function oneOf(choices: readonly string[]): string {
  const last = choices.at(-1) ?? "";
  return choices.length < 2 ? last : `${choices.slice(0, -1).join(", ")} or ${last}`;
}

function initialText(value: unknown): string {
  if (value === undefined || value === "") return "";
  if (typeof value === "object" && value !== null && Object.keys(value).length === 0) return "";
  return typeof value === "object" ? code(JSON.stringify(value)) : code(value);
}

function code(value: unknown): string {
  return `\`${String(value)}\``;
}

function isList(field: JsonSchema): boolean {
  return baseType(field) === "array";
}

/** The type beside null. */
function baseType({ type }: JsonSchema): string | undefined {
  return typeof type === "object" ? type.find((each) => each !== "null") : type;
}

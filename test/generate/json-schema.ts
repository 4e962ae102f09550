import { z } from "zod";

/** A JSON Schema as far as the generators look into one. */
export interface JsonSchema {
  readonly type?: string | readonly string[];
  readonly description?: string;
  /** Ours, of `.meta`: what a number counts, and when to change the value. */
  readonly unit?: string;
  readonly tune?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly not?: object;
  readonly anyOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: JsonSchema | false;
  readonly items?: JsonSchema;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** What zod writes and nobody has to read: dialect, bounds of safe integers, formats of its own. */
const dropped: Readonly<Record<string, (value: unknown) => boolean>> = {
  $schema: () => true,
  propertyNames: () => true,
  minimum: (value) => value === Number.MIN_SAFE_INTEGER,
  maximum: (value) => value === Number.MAX_SAFE_INTEGER,
  format: (value) => value === "starts_with",
};

/** The JSON Schema of what a zod schema takes; the parts that it cannot tell are left out. */
export function jsonSchemaOf(schema: unknown): JsonSchema {
  if (!(schema instanceof z.ZodType)) throw new TypeError("only zod schemas can be described");
  const written: unknown = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      // Nothing but leaving it out is right.
      if (zodSchema instanceof z.ZodUndefined) jsonSchema.not = {};
    },
  });
  // The shape is JSON Schema's own.
  return simplified(written) as JsonSchema;
}

function simplified(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => simplified(item));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value)
    .filter(([key, inner]) => dropped[key]?.(inner) !== true)
    .map(([key, inner]) => [key, simplified(inner)] as const);
  return withNullInType(Object.fromEntries(entries));
}

/** `type: [x, "null"]` in place of two alternatives, and no alternatives within alternatives. */
function withNullInType(schema: Readonly<Record<string, unknown>>): unknown {
  const { anyOf, ...rest } = schema;
  if (!Array.isArray(anyOf)) return schema;
  // What is in it was simplified before, and is JSON Schema's own.
  const choices = (anyOf as JsonSchema[]).flatMap((choice) =>
    choice.anyOf !== undefined && Object.keys(choice).length === 1 ? choice.anyOf : [choice],
  );
  const [inner, other] = choices;
  const isNullable = choices.length === 2 && other?.type === "null";
  if (!isNullable || typeof inner?.type !== "string") return { ...rest, anyOf: choices };
  if (inner.enum !== undefined || inner.const !== undefined) return { ...rest, anyOf: choices };
  return { ...inner, ...rest, type: [inner.type, "null"] };
}

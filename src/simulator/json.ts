/** A JSON object, or anything else with string keys. */
export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export type ParsedJson = { readonly kind: "record"; readonly record: JsonRecord } | NotARecord;

interface NotARecord {
  readonly kind: "invalid";
  /** One line for the sender. */
  readonly message: string;
}

/** Reads the JSON object of a request body. */
export function parseJsonRecord(text: string): ParsedJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the body, which may be a prompt.
    return { kind: "invalid", message: "The request body is not valid JSON." };
  }
  if (!isRecord(value)) {
    return { kind: "invalid", message: "The request body must be a JSON object." };
  }
  return { kind: "record", record: value };
}

/** Serializes a value parsed from JSON; one nested too deeply becomes a fixed text. */
export function jsonTextOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (error) {
    // Parsing takes any depth, but serializing recurses and can overflow the stack.
    if (error instanceof RangeError) return '"(nested too deeply)"';
    throw error;
  }
}

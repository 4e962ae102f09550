/** A JSON object as `JSON.parse` made it: fields are read by name and checked where they are used. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** A whole number that counts something; undefined where the field holds anything else. */
export function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && typeof value === "number" && value >= 0 ? value : undefined;
}

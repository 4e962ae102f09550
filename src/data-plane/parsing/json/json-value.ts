/** A JSON object from `JSON.parse`: fields are read by name and checked at their use. */
export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isJsonArray(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}

/** A whole number of 0 or more; undefined if the value is anything else. */
export function countOf(value: unknown): number | undefined {
  return Number.isSafeInteger(value) && typeof value === "number" && value >= 0 ? value : undefined;
}

import type { BodyFields } from "../../../core/parse-result.ts";
import { markBytesAt } from "../../../std/json-bytes.ts";
import { jsonMembersIn } from "./json-members.ts";

/**
 * A copy of a JSON body with these fields as its first members. A field that the body has already, even as `null`, stays
 * unchanged, and so do all other bytes. The same body if it is not a JSON object, or has every field.
 */
export function withFields(body: Uint8Array, fields: BodyFields): Uint8Array {
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const found = jsonMembersIn(text, markBytesAt(text, 0), [...fields.keys()]);
  if (found === undefined) return body;
  const there = new Set(found.members.map(({ name }) => name));
  const added = [...fields]
    .filter(([name]) => !there.has(name))
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`);
  if (added.length === 0) return body;
  const members = added.join(",") + (found.isEmpty ? "" : ",");
  return Buffer.concat([
    text.subarray(0, found.start),
    Buffer.from(members),
    text.subarray(found.start),
  ]);
}

import type { ApiDialect } from "../../../core/request.ts";
import { markBytesAt } from "../../../std/json-bytes.ts";
import { jsonMembersIn, type JsonMember } from "./json-members.ts";

/** The member that names the model. */
const modelName = ["model"];
/**
 * Members of SGLang's native API in order of precedence: it uses the adapter, one for the whole batch or a list, and
 * ignores `model`.
 */
const adapterOrModel = ["lora_path", "model"];

/** First letter of `null`, which counts as no name. */
const letterN = 0x6e;

/**
 * A copy of a JSON body in `dialect` that asks for `model`. All other bytes are unchanged, because engines differ in
 * reading numbers, key order and duplicates. A body without a name gets `model` as its first member. Undefined if the
 * body is not a JSON object. The caller has to check that the body is JSON; otherwise the result is not JSON either.
 */
export function withModel(
  body: Uint8Array,
  model: string,
  dialect: ApiDialect,
): Uint8Array | undefined {
  if (dialect === "passthrough") return undefined;
  const text = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const markBytes = markBytesAt(text, 0);
  const names = dialect === "sglang-generate" ? adapterOrModel : modelName;
  const found = jsonMembersIn(text, markBytes, names);
  if (found === undefined) return undefined;

  const value = Buffer.from(JSON.stringify(model));
  const naming = namingMembers(text, names, found.members);
  if (naming.length > 0) return withValues(text, naming, value);
  const member = `"model":${value.toString()}${found.isEmpty ? "" : ","}`;
  return Buffer.concat([
    text.subarray(0, found.start),
    Buffer.from(member),
    text.subarray(found.start),
  ]);
}

/** All occurrences of the first name that has a value, so that it does not matter which one an engine uses. */
function namingMembers(
  text: Buffer,
  names: readonly string[],
  members: readonly JsonMember[],
): readonly JsonMember[] {
  const hasValue = ({ valueStart }: JsonMember) => text[valueStart] !== letterN;
  const name = names.find((each) =>
    members.some((member) => member.name === each && hasValue(member)),
  );
  return members.filter((member) => member.name === (name ?? "model"));
}

function withValues(text: Buffer, members: readonly JsonMember[], value: Buffer): Buffer {
  const pieces: Buffer[] = [];
  let from = 0;
  for (const { valueStart, valueEnd } of members) {
    pieces.push(text.subarray(from, valueStart), value);
    from = valueEnd;
  }
  pieces.push(text.subarray(from));
  return Buffer.concat(pieces);
}

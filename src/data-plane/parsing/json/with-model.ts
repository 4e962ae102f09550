import type { ApiDialect } from "../../../core/request.ts";
import { markBytesAt } from "../../../std/json-bytes.ts";
import { jsonMembersIn, type JsonMember } from "./json-members.ts";

/** The member that names the model. */
const modelName = ["model"];
/**
 * The same in SGLang's own API, the one that counts first: it goes by the adapter, one for the
 * whole batch or a list, and passes over `model`.
 */
const adapterOrModel = ["lora_path", "model"];

/** The first letter of `null`, which names nothing. */
const letterN = 0x6e;

/**
 * A copy of a JSON body in `dialect` that asks for `model`, with every other byte as it was: engines
 * read numbers, key order and duplicates their own way. A body without a name gets `model` as its
 * first member. Undefined where the body is no JSON object; one that is not JSON at all should not
 * get here, and comes out as something that is not JSON either.
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

/** All occurrences of the first name that has a value, so that engines agree whichever they take. */
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

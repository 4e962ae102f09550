import type { ChangedBody, ParseResult } from "../../core/parse-result.ts";
import { formFieldsIn, formPart } from "./form-data.ts";
import { jsonIn } from "./json/json-body.ts";
import { isJsonObject } from "./json/json-value.ts";
import { takesModel } from "./model-paths.ts";
import { type BodyToRead, passthrough, unknownRequest } from "./parsed.ts";
import { withModel } from "./json/with-model.ts";

/** The spellings of true that servers in Python take for a boolean field. */
const trueText = /^(?:true|1|on|yes|t|y)$/iu;

/**
 * Reads the model of a JSON body whose API is not known. The engine refuses what is no JSON or
 * names a model that is no text. A body without a model gets none unless its path takes one.
 */
export function readJsonRequest(toRead: BodyToRead, claimsJson: boolean): ParseResult {
  const { head, body, sentBytes, removedHeaders } = toRead;
  const value = jsonIn(body);
  // An engine in Python reads more than JSON, such as NaN and UTF-16.
  if (value === undefined && claimsJson && body.byteLength > 0) {
    return passthrough(toRead, "malformed");
  }
  if (!isJsonObject(value)) return passthrough(toRead);
  const model = Object.hasOwn(value, "model") ? (value["model"] ?? "") : undefined;
  if (model === undefined && !takesModel(head.path)) return passthrough(toRead, "no_model");
  if (model !== undefined && typeof model !== "string") return passthrough(toRead);
  const named = { model: model ?? "", targetModel: model ?? "" };
  const isStreaming = value["stream"] === true;
  return {
    kind: "parsed",
    request: { ...unknownRequest(head, sentBytes), dialect: "json", ...named, isStreaming },
    withModel: (target) => ({ body: withModel(body, target, "json") ?? body, removedHeaders }),
    unread: undefined,
  };
}

/** Reads the model of a form, with the same rules. */
export function readFormRequest(toRead: BodyToRead, boundary: string): ParseResult {
  const { head, sentBytes } = toRead;
  const form = formFieldsIn(toRead.body, boundary, ["model", "stream"]);
  if (form === undefined) return passthrough(toRead, "malformed");
  const models = form.fields.filter(({ name }) => name === "model");
  if (models.length === 0 && !takesModel(head.path)) return passthrough(toRead, "no_model");
  // Of several the last counts, as in Starlette.
  const model = models.at(-1)?.value ?? "";
  const isStreaming = trueText.test(
    form.fields.findLast(({ name }) => name === "stream")?.value ?? "",
  );
  const named = { model, targetModel: model };
  return {
    kind: "parsed",
    request: { ...unknownRequest(head, sentBytes), dialect: "form", ...named, isStreaming },
    withModel: (target) => formWithModel(toRead, { boundary, models, start: form.start }, target),
    unread: undefined,
  };
}

interface ModelsInForm {
  readonly boundary: string;
  readonly models: readonly { readonly valueStart: number; readonly valueEnd: number }[];
  /** Offset where a part may go in. */
  readonly start: number;
}

function formWithModel(
  { body, removedHeaders }: BodyToRead,
  { boundary, models, start }: ModelsInForm,
  model: string,
): ChangedBody {
  const pieces: Uint8Array[] = [];
  let from = 0;
  for (const { valueStart, valueEnd } of models) {
    pieces.push(body.subarray(from, valueStart), Buffer.from(model));
    from = valueEnd;
  }
  if (models.length === 0) {
    pieces.push(body.subarray(0, start), formPart(boundary, "model", model));
    from = start;
  }
  pieces.push(body.subarray(from));
  return { body: Buffer.concat(pieces), removedHeaders };
}

import type { ChangedBody, ParseResult } from "../../core/parse-result.ts";
import { sessionKeyIn } from "./client-keys.ts";
import { formFieldsIn, formPart } from "./form-data.ts";
import { jsonIn } from "./json/json-body.ts";
import { isJsonObject } from "./json/json-value.ts";
import { takesModel } from "./model-paths.ts";
import { type BodyToRead, passthrough, unknownRequest } from "./parsed.ts";
import { withModel } from "./json/with-model.ts";

/** Spellings of true that Python servers accept for a boolean field. */
const trueText = /^(?:true|1|on|yes|t|y)$/iu;

/**
 * Reads the model of a JSON body of an unknown API. A body that is not JSON, or whose model is not a string, passes
 * unchanged, so that the engine can refuse it. A body without a model gets one only if its path takes one.
 */
export function readJsonRequest(toRead: BodyToRead, claimsJson: boolean): ParseResult {
  const { head, body, sentBytes, removedHeaders } = toRead;
  const value = jsonIn(body);
  // Not refused, because engines in Python read more than JSON, such as NaN and UTF-16.
  if (value === undefined && claimsJson && body.byteLength > 0) {
    return passthrough(toRead, "malformed");
  }
  if (!isJsonObject(value)) return passthrough(toRead);
  const model = Object.hasOwn(value, "model") ? (value["model"] ?? "") : undefined;
  if (model === undefined && !takesModel(head.path)) return passthrough(toRead, "no_model");
  if (model !== undefined && typeof model !== "string") return passthrough(toRead);
  const named = { model: model ?? "", targetModel: model ?? "" };
  const isStreaming = value["stream"] === true;
  const sessionKey = sessionKeyIn(value);
  const unknown = unknownRequest(head, sentBytes);
  return {
    kind: "parsed",
    request: { ...unknown, dialect: "json", ...named, sessionKey, isStreaming },
    withModel: (target) => ({
      body: withModel(body.whole, target, "json") ?? body.whole,
      removedHeaders,
    }),
    unread: undefined,
  };
}

/** Reads the model of a form by the same rules. */
export function readFormRequest(toRead: BodyToRead, boundary: string): ParseResult {
  const { head, sentBytes } = toRead;
  const form = formFieldsIn(toRead.body.whole, boundary, ["model", "stream"]);
  if (form === undefined) return passthrough(toRead, "malformed");
  const models = form.fields.filter(({ name }) => name === "model");
  if (models.length === 0 && !takesModel(head.path)) return passthrough(toRead, "no_model");
  // The last one is used, as in Starlette.
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
  /** Offset at which a part may be inserted. */
  readonly start: number;
}

function formWithModel(
  { body: { whole: body }, removedHeaders }: BodyToRead,
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

import type { ApiKey } from "../../../../core/api-key.ts";
import type { Refusal } from "../../../../core/errors.ts";
import { headerTable, valueOf } from "../../../../core/headers.ts";
import type { ApiDialect, InferenceRequest } from "../../../../core/request.ts";

/** APIs whose model is read from a body that is not understood: the engine may take it from elsewhere. */
const looseDialects = new Set<ApiDialect>(["json", "form", "passthrough"]);

/** Of those, the paths at which engines take the model from the body. */
const modelPaths =
  /^\/(?:v[12]\/)?(?:audio\/(?:speech|transcriptions|translations)|rerank|score|classify|pooling|moderations|tokenize|detokenize)$/u;

/** Connections that change their protocol and name the one model of their session in their query. */
const sessionPath = /^\/v1\/realtime$/u;

const safeMethods = new Set(["GET", "HEAD", "OPTIONS"]);

/** Characters of a name that an error shows. */
const shownNameMax = 256;

/**
 * The reason to refuse a request of a key with a list of models; undefined to allow it. Requests that change something
 * need a model that the key may use: everything else, such as loading an adapter, is refused.
 */
export function modelRefusalOf(
  { name, models }: ApiKey,
  request: InferenceRequest,
  isUpgrade: boolean,
): Refusal | undefined {
  if (models === undefined) return undefined;
  const { head, dialect, model } = request;
  if (safeMethods.has(head.method) && !isUpgrade) return undefined;
  const [path = ""] = head.path.split("?", 1);
  const checked = isUpgrade ? sessionPath : modelPaths;
  const isLoose = looseDialects.has(dialect) && !checked.test(path);
  if (isLoose || model === "") {
    const message = `the API key "${name}" may use certain models only, and the request names none that can be checked`;
    return { code: "model_not_allowed", message };
  }
  // A rule of the operator may rewrite the model; a client that does it by itself needs both.
  const wanted = [model, valueOf(head.headers, headerTable.modelRewrite) ?? model];
  const refused = wanted.find((each) => !models.includes(each));
  if (refused === undefined) return undefined;
  const shown = JSON.stringify(refused.slice(0, shownNameMax));
  const message = `the API key "${name}" may not use the model ${shown}`;
  return { code: "model_not_allowed", message };
}

import { parametersOf } from "./header-parameters.ts";

/** Kind of body that a content type announces: JSON, a form, nothing, or a type that is not read. */
export type BodyClaim =
  | { readonly kind: "json"; readonly isStream: boolean }
  | { readonly kind: "form"; readonly isStream: false; readonly boundary: string }
  | { readonly kind: "none" | "other"; readonly isStream: false };

const jsonType = /^(?:text|application)\/(?:(?<prefix>[^\s/;,]+)\+)?json$/iu;
/** Default types of clients such as curl, which say nothing about the body. */
const filledInType = /^(?:text\/plain|application\/x-www-form-urlencoded)$/iu;
/** Prefixes of types with framed messages, such as those of gRPC and Connect. */
const streamPrefix = /^(?:grpc(?:-web)?|connect)$/iu;

const plainJson: BodyClaim = { kind: "json", isStream: false };
const nothing: BodyClaim = { kind: "none", isStream: false };
const other: BodyClaim = { kind: "other", isStream: false };

export function bodyClaimOf(contentType = ""): BodyClaim {
  if (contentType === "application/json") return plainJson;
  const [first = ""] = contentType.split(/[;,]/u, 1);
  const mediaType = first.trim();
  if (mediaType === "" || filledInType.test(mediaType)) return nothing;
  const json = jsonType.exec(mediaType);
  if (json !== null) {
    return { kind: "json", isStream: streamPrefix.test(json.groups?.["prefix"] ?? "") };
  }
  if (mediaType.toLowerCase() !== "multipart/form-data") return other;
  const boundary = parametersOf(contentType).get("boundary") ?? "";
  return boundary === "" ? other : { kind: "form", isStream: false, boundary };
}

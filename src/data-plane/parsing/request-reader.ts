import type { BodyUse, ParseResult, SeenBody, UnreadReason } from "../../core/parse-result.ts";
import type { RequestHead } from "../../core/request.ts";
import { type BodyClaim, bodyClaimOf } from "./body-claim.ts";
import { decodedBody, type Decoders, decodersOf } from "./content-coding.ts";
import { dialectsByPath } from "./dialect-paths.ts";
import { readFormRequest, readJsonRequest } from "./model-reader.ts";
import { type BodyToRead, passthrough } from "./parsed.ts";
import type { DialectParser, RequestParser } from "./parser.ts";
import { readDialectRequest } from "./dialect-reader.ts";

export interface RequestReader {
  /** Use of the body for the decision. */
  readonly bodyUse: (head: RequestHead) => BodyUse;
  /**
   * Understands a request as far as its headers and body allow. A request of an API that no
   * dialect knows is read for its model alone. A request whose body cannot be seen, or
   * neither claims to be JSON nor is JSON, passes through as dialect "passthrough" with an empty
   * prompt. A compressed body is read if it has at most `bytesMax` when decoded.
   */
  readonly parse: (head: RequestHead, body: SeenBody, bytesMax?: number) => ParseResult;
}

export interface RequestReaderOptions {
  /** True if a request that names no model is refused where its API needs one. */
  readonly refusesNameless?: (head: RequestHead) => boolean;
  /** True if anything uses the model of this request, so that a form is held for it. */
  readonly usesModel?: (head: RequestHead) => boolean;
}

/** Plan for a body, from the head alone. */
type Plan =
  | { readonly kind: "pass"; readonly unread: UnreadReason | undefined }
  | {
      readonly kind: "read";
      readonly claim: BodyClaim;
      readonly decoders: Decoders;
      readonly dialect: DialectParser | undefined;
    };

const passing: Plan = { kind: "pass", unread: undefined };

/**
 * A reader for the dialects of `parsers`. Their order does not matter, and a request whose path
 * none of them knows is read and routed also if no passthrough parser is among them: the engine
 * rejects what it does not know. Without any dialect, bodies are left alone.
 */
export function createRequestReader(
  parsers: readonly RequestParser[],
  { refusesNameless = () => false, usesModel = () => false }: RequestReaderOptions = {},
): RequestReader {
  const dialects = parsers.flatMap((parser) => parser.dialects);
  const dialectOf = dialectsByPath(dialects);

  /** Only POST creates something from a prompt: `GET …/responses/ID` and the like carry none. */
  function planOf(head: RequestHead): Plan {
    if (head.method !== "POST") return passing;
    const claim = bodyClaimOf(head.headers.get("content-type"));
    if (claim.kind === "other") return passing;
    if (dialects.length === 0) return passingFor("no_parser", claim);
    const dialect = claim.kind === "form" ? undefined : dialectOf(head.path);
    if (claim.kind === "form" && !usesModel(head)) return passing;
    // A stream of messages in both directions would wait for itself.
    if (claim.isStream && dialect === undefined) return passing;
    const decoders = decodersOf(head.headers.get("content-encoding"));
    return decoders === undefined
      ? passingFor("encoding", claim)
      : { kind: "read", claim, decoders, dialect };
  }

  return {
    bodyUse(head) {
      const plan = planOf(head);
      if (plan.kind === "pass") return "none";
      const { claim, decoders, dialect } = plan;
      if (decoders.length > 0) return "if-short";
      if (dialect !== undefined) return "required";
      return claim.kind === "none" ? "if-object" : "if-short";
    },
    parse(head, body, bytesMax = Number.POSITIVE_INFINITY) {
      const plan = planOf(head);
      const sized = { head, sentBytes: typeof body === "string" ? 0 : body.byteLength };
      if (plan.kind === "pass") return passthrough(sized, plan.unread);
      if (typeof body === "string") {
        return passthrough(sized, body === "not_wanted" ? undefined : body);
      }
      const { claim, decoders, dialect } = plan;
      const decoded = decodedBody(body, decoders, bytesMax);
      if (decoded.kind === "unread") return passthrough(sized, decoded.reason);
      const toRead: BodyToRead = {
        ...sized,
        body: decoded.body,
        // An engine gets a changed body as it is, not compressed again.
        removedHeaders: decoders.length > 0 ? ["content-encoding"] : [],
      };
      if (claim.kind === "form") return readFormRequest(toRead, claim.boundary);
      const claimsJson = claim.kind === "json";
      if (dialect === undefined) return readJsonRequest(toRead, claimsJson);
      return readDialectRequest(toRead, dialect, { claimsJson, refusesNameless });
    },
  };
}

/** Nothing is missed of a body that says nothing about itself. */
function passingFor(unread: UnreadReason, { kind }: BodyClaim): Plan {
  return kind === "none" ? passing : { kind: "pass", unread };
}

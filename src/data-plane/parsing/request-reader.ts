import type { BodyUse, ParseResult, SeenBody, UnreadReason } from "../../core/parse-result.ts";
import type { RequestHead } from "../../core/request.ts";
import { BytePieces } from "../../std/byte-pieces.ts";
import { type BodyClaim, bodyClaimOf } from "./body-claim.ts";
import { decodedBody, type Decoders, decodersOf } from "./content-coding.ts";
import { dialectsByPath } from "./dialect-paths.ts";
import { jsonInSlices, slicedBytesMin } from "./json/json-in-slices.ts";
import { readFormRequest, readJsonRequest } from "./model-reader.ts";
import { type BodyToRead, passthrough } from "./parsed.ts";
import type { DialectParser, RequestParser } from "./parser.ts";
import { readDialectRequest } from "./dialect-reader.ts";

export interface RequestReader {
  /** Use of the body for the decision. */
  readonly bodyUse: (head: RequestHead) => BodyUse;
  /**
   * Reads the JSON of a long body in slices, for `parse` to use; undefined if there is nothing to wait for. Resolves at once
   * when `isWanted` is false. Without it, `parse` reads the same, with a pause.
   */
  readonly readAhead?: (
    head: RequestHead,
    body: SeenBody,
    isWanted: () => boolean,
  ) => Promise<BytePieces> | undefined;
  /**
   * Reads a request as far as its headers and body allow. Of a request of an unknown API, only the model is read. A
   * request whose body cannot be seen, or neither claims to be JSON nor is JSON, passes as dialect "passthrough" with
   * an empty prompt. A compressed body is read if its decoded size is at most `bytesMax`.
   */
  readonly parse: (head: RequestHead, body: SeenBody, bytesMax?: number) => ParseResult;
}

export interface RequestReaderOptions {
  /** True to refuse a request that names no model although its API needs one. */
  readonly refusesNameless?: (head: RequestHead) => boolean;
  /** True if a rule or plugin uses the model of this request, so that forms have to be read. */
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
 * A reader for the dialects of `parsers`, in any order. A request with an unknown path is read and routed even without
 * a passthrough parser: the engine rejects what it does not know. Without any dialect, no body is read.
 */
export function createRequestReader(
  parsers: readonly RequestParser[],
  { refusesNameless = () => false, usesModel = () => false }: RequestReaderOptions = {},
): RequestReader {
  const dialects = parsers.flatMap((parser) => parser.dialects);
  const dialectOf = dialectsByPath(dialects);

  /** Only bodies of POST are read: other requests, such as `GET …/responses/ID`, have no prompt. */
  function planOf(head: RequestHead): Plan {
    if (head.method !== "POST") return passing;
    const claim = bodyClaimOf(head.headers.get("content-type"));
    if (claim.kind === "other") return passing;
    if (dialects.length === 0) return passingFor("no_parser", claim);
    const dialect = claim.kind === "form" ? undefined : dialectOf(head.path);
    if (claim.kind === "form" && !usesModel(head)) return passing;
    // A bidirectional stream would deadlock if its body had to end before the decision.
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
    readAhead(head, body, isWanted) {
      if (typeof body === "string" || body.byteLength < slicedBytesMin) return undefined;
      const plan = planOf(head);
      if (plan.kind === "pass" || plan.claim.kind === "form" || plan.decoders.length > 0) {
        return undefined;
      }
      return readAheadOf(body instanceof BytePieces ? body : BytePieces.of(body), isWanted);
    },
    parse(head, body, bytesMax = Number.POSITIVE_INFINITY) {
      const plan = planOf(head);
      const sized = { head, sentBytes: typeof body === "string" ? 0 : body.byteLength };
      if (plan.kind === "pass") return passthrough(sized, plan.unread);
      if (typeof body === "string") {
        return passthrough(sized, body === "not_wanted" ? undefined : body);
      }
      const { claim, decoders, dialect } = plan;
      const pieces = body instanceof BytePieces ? body : BytePieces.of(body);
      const decoded = decodedBody(pieces, decoders, bytesMax);
      if (decoded.kind === "unread") return passthrough(sized, decoded.reason);
      const toRead: BodyToRead = {
        ...sized,
        body: decoded.body,
        // A changed body is sent to the engine uncompressed.
        removedHeaders: decoders.length > 0 ? ["content-encoding"] : [],
      };
      if (claim.kind === "form") return readFormRequest(toRead, claim.boundary);
      const claimsJson = claim.kind === "json";
      if (dialect === undefined) return readJsonRequest(toRead, claimsJson);
      return readDialectRequest(toRead, dialect, { claimsJson, refusesNameless });
    },
  };
}

async function readAheadOf(body: BytePieces, isWanted: () => boolean): Promise<BytePieces> {
  const read = await jsonInSlices(body, isWanted);
  if (typeof read !== "string") body.json = read;
  return body;
}

/** Passes a body. The reason counts only if the headers announce a readable body. */
function passingFor(unread: UnreadReason, { kind }: BodyClaim): Plan {
  return kind === "none" ? passing : { kind: "pass", unread };
}

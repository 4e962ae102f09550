import type { ParseResult, UnreadReason } from "../../core/parse-result.ts";
import type { InferenceRequest, RequestHead } from "../../core/request.ts";
import type { BytePieces } from "../../std/byte-pieces.ts";
import { storedIdInPath } from "./client-keys.ts";

/** A whole body, decoded. */
export interface BodyToRead {
  readonly head: RequestHead;
  readonly body: BytePieces;
  /** Its length as the client sent it. */
  readonly sentBytes: number;
  /** Names of headers that are wrong once the body is changed. */
  readonly removedHeaders: readonly string[];
}

/** A request of which only the size is known, and the model if its connection changes its protocol. */
export function unknownRequest(head: RequestHead, bodyBytes: number): InferenceRequest {
  const model = changesProtocol(head) ? modelInQuery(head.path) : "";
  return {
    head,
    bodyBytes,
    dialect: "passthrough",
    model,
    targetModel: model,
    cacheSalt: "",
    sessionKey: "",
    storedId: storedIdInPath(head.path),
    isStreaming: false,
    priority: 0,
    prompts: [],
    openingParts: 0,
    promptTokens: 0,
    outputTokensMax: undefined,
  };
}

/** The result for a request whose body passes unread and unchanged. */
export function passthrough(
  { head, sentBytes }: Pick<BodyToRead, "head" | "sentBytes">,
  unread?: UnreadReason,
): ParseResult {
  return { kind: "parsed", request: unknownRequest(head, sentBytes), withModel: undefined, unread };
}

export function refused(message: string): ParseResult {
  return { kind: "refused", refusal: { code: "malformed_request", message } };
}

/** An upgrade to HTTP/2 is one of the connection alone: clients send it with any request. */
function changesProtocol({ headers }: RequestHead): boolean {
  const protocol = headers.get("upgrade");
  return protocol !== undefined && protocol.toLowerCase() !== "h2c";
}

/** The model that a path such as `/v1/realtime?model=m` names; "" if it names none. */
function modelInQuery(path: string): string {
  const queryAt = path.indexOf("?");
  return queryAt === -1 ? "" : (new URLSearchParams(path.slice(queryAt)).get("model") ?? "");
}

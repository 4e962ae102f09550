import type { Outcome, RoutedOutcome, Target } from "../../../core/decision.ts";
import type { Refusal } from "../../../core/errors.ts";
import { headerTable } from "../../../core/headers.ts";
import type { SeenBody } from "../../../core/parse-result.ts";
import type { RequestHead } from "../../../core/request.ts";
import type { ResponseMetadata } from "../../../core/response-metadata.ts";
import type { ResponseHeadSeen } from "../../answer.ts";
import type { ResponseHeadChange } from "../../exchange-parts.ts";
import type { Exchange } from "../../exchange.ts";
import type { ListedHeaders, RequestPick } from "./messages.ts";

/** The head of a request as a proxy sends it. */
export type ProxiedHead = RequestHead & { readonly headers: ListedHeaders };

/** Where a request goes, as far as a proxy has to know. */
type RoutedTo = Pick<RoutedOutcome, "kind" | "body" | "headers"> & {
  readonly decision: { readonly targets: readonly Pick<Target, "hostPort">[] };
};

export type RequestOutcome = RoutedTo | Exclude<Outcome, RoutedOutcome>;

/** One request of a stream and its response, in this thread or another one: see `Exchange`. */
export interface StreamExchange extends Pick<
  Exchange,
  "bodyUse" | "refuse" | "responseChunk" | "responseRest" | "end"
> {
  decide(body: SeenBody): RequestOutcome | Promise<RequestOutcome>;
  responseHead(seen: ResponseHeadSeen): ResponseHeadChange | Promise<ResponseHeadChange>;
  /** Numbers for the proxy, once the whole body has passed. Undefined if another thread has those who count them. */
  responseMetadata?(): ResponseMetadata | undefined;
  /** Set by the stream: ends it with this error, in favor of other requests. */
  onEvict?: ((refusal: Refusal) => void) | undefined;
  /**
   * The client may have left while an answer is pending. True if the answer comes soon: a request that waits for admission
   * gives up its place.
   */
  leave?(): boolean;
}

/** The pick and the body that a stream sends for a routed request. */
export interface Routed {
  readonly pick: RequestPick;
  /** The body to send in place of the client's; undefined if the client's is sent. */
  readonly body: Uint8Array | undefined;
}

export function routedOf({ decision, headers, body }: RoutedTo): Routed {
  const [{ set, removed }] = headers;
  const pick = {
    destination: decision.targets.map(({ hostPort }) => hostPort).join(","),
    headers: set,
    // The pick overwrites this header, so it need not be removed.
    removed: removed.filter((name) => name !== headerTable.destination.name),
    bodyBytes: body?.length,
  };
  return { pick, body };
}

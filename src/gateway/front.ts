import type { Endpoint } from "../core/endpoint.ts";
import type { ListedModel } from "../data-plane/ingress/http/model-lists.ts";
import type { Ingress } from "../data-plane/ingress/ingress.ts";

/** The ports of a gateway, by the protocol that they speak. */
export type GatewayPorts = Readonly<
  Partial<Record<"grpc" | "health" | "http" | "metrics", number>>
>;

/** The findings at one endpoint. */
export interface Finding {
  readonly endpoint: Endpoint;
  /** Undefined if its metrics have not been read. */
  readonly engine: string | undefined;
  /** Undefined if it did not list its models. */
  readonly models: readonly ListedModel[] | undefined;
  /** The reason that it cannot be reached over TLS. */
  readonly tlsFailure?: string | undefined;
}

/** The ports on which requests come in, and what belongs to them. */
export interface Front {
  readonly ingress: Ingress;
  /** Rejects with one readable error if a port cannot be bound. */
  listen(bindAddress: string): Promise<GatewayPorts>;
  /** Asks all endpoints what they serve, if requests come in over HTTP. */
  readonly findings?: () => Promise<readonly Finding[]>;
  /** Follows the files of this front until `signal` aborts. */
  readonly follow?: (signal: AbortSignal) => Promise<void>;
  /** Runs when another configuration has come into force. */
  readonly reconfigured?: () => void;
  /** Closes what is open besides the ingress. */
  close(): void;
}

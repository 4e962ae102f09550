/** A JSON object as the API server sends it; readers check the fields that they use. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: KubeMetadata;
  readonly [field: string]: unknown;
}

interface KubeMetadata {
  readonly name?: string;
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly [field: string]: unknown;
}

/** One page of a collection. */
export interface KubeList {
  readonly items?: readonly KubeObject[];
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
}

/** One line of a watch. `ERROR` carries a `Status` in place of an object. */
export interface WatchEvent {
  readonly type: string;
  readonly object: KubeObject;
}

export type KubeQuery = Readonly<Record<string, string | undefined>>;

interface KubeWrite {
  /** Path from the root of the API server: `/apis/coordination.k8s.io/v1/namespaces/…`. */
  readonly path: string;
  readonly body: KubeObject;
}

/** The API server, for readers and for the few writers. Every method rejects with a `KubeError`. */
export interface KubeApi {
  get(path: string, query?: KubeQuery, signal?: AbortSignal): Promise<KubeObject>;
  /** Creates an object in the collection at `path`. */
  create(write: KubeWrite, signal?: AbortSignal): Promise<KubeObject>;
  /** Replaces the object at `path`; refused with 409 if its resourceVersion is not the latest. */
  replace(write: KubeWrite, signal?: AbortSignal): Promise<KubeObject>;
  /**
   * Resolves once the watch is open, to the changes in the collection at `path` until the server
   * ends it or `signal` aborts.
   */
  watch(path: string, query: KubeQuery, signal: AbortSignal): Promise<AsyncIterable<WatchEvent>>;
}

/** A refusal of the API server, or a failure to reach it. */
export class KubeError extends Error {
  /** The HTTP status; 0 without an answer. */
  readonly httpStatus: number;
  /** The machine-readable reason of the `Status`, such as `Expired`; empty if there is none. */
  readonly reason: string;

  constructor(httpStatus: number, reason: string, message: string) {
    super(message);
    this.name = "KubeError";
    this.httpStatus = httpStatus;
    this.reason = reason;
  }

  /** Creates the error from the `Status` object that the API server sends with a refusal. */
  static of(status: KubeObject, httpStatus: number): KubeError {
    const { reason, message, code } = status;
    return new KubeError(
      typeof code === "number" ? code : httpStatus,
      typeof reason === "string" ? reason : "",
      typeof message === "string" && message !== "" ? message : `HTTP status ${httpStatus}`,
    );
  }
}

import { isDeepStrictEqual } from "node:util";
import { Agent, type Dispatcher } from "undici";
import { reasonOf } from "../../std/reason-of.ts";
import type { ClusterAccess, ClusterTls } from "./cluster-access.ts";
import {
  type KubeApi,
  KubeError,
  type KubeObject,
  type KubeQuery,
  type WatchEvent,
} from "./kube-api.ts";

const connectTimeoutMs = 5_000;
/** The API server limits its own requests to 60 s; ours never take longer than this. */
const answerTimeoutMs = 15_000;
/**
 * Longest silence of a watch. The API server sends a bookmark about once a minute, so a watch that
 * is silent for longer is on a dead connection.
 */
const silenceMs = 100_000;
/** Maximum line of a watch. An object in etcd has at most about 1.5 MB. */
const lineCharsMax = 16 * 1024 * 1024;

interface Call {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly query?: KubeQuery;
  readonly body?: KubeObject;
  readonly signal?: AbortSignal | undefined;
  readonly bodyTimeoutMs: number;
}

/** The API server over HTTP. */
export class HttpKubeApi implements KubeApi {
  readonly #access: ClusterAccess;
  readonly #userAgent: string;
  #agent: { readonly tls: ClusterTls; readonly dispatcher: Agent } | undefined;

  constructor(access: ClusterAccess, userAgent: string) {
    this.#access = access;
    this.#userAgent = userAgent;
  }

  get(path: string, query: KubeQuery = {}, signal?: AbortSignal): Promise<KubeObject> {
    return this.#json({ method: "GET", path, query, signal, bodyTimeoutMs: answerTimeoutMs });
  }

  create(
    { path, body }: { readonly path: string; readonly body: KubeObject },
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.#json({ method: "POST", path, body, signal, bodyTimeoutMs: answerTimeoutMs });
  }

  replace(
    { path, body }: { readonly path: string; readonly body: KubeObject },
    signal?: AbortSignal,
  ): Promise<KubeObject> {
    return this.#json({ method: "PUT", path, body, signal, bodyTimeoutMs: answerTimeoutMs });
  }

  async watch(
    path: string,
    query: KubeQuery,
    signal: AbortSignal,
  ): Promise<AsyncIterable<WatchEvent>> {
    const answer = await this.#call({
      method: "GET",
      path,
      query: { ...query, watch: "true" },
      signal,
      bodyTimeoutMs: silenceMs,
    });
    return eventsOf(answer.body.setEncoding("utf8"));
  }

  /** Aborts every pending request. */
  async close(): Promise<void> {
    await this.#agent?.dispatcher.destroy();
  }

  async #json(call: Call): Promise<KubeObject> {
    const answer = await this.#call(call);
    try {
      return (await answer.body.json()) as KubeObject;
    } catch (cause) {
      throw kubeErrorOf(cause);
    }
  }

  /** An answer with a success status; rejects with a `KubeError` for any other. */
  async #call(call: Call): Promise<Dispatcher.ResponseData> {
    let answer: Dispatcher.ResponseData;
    try {
      answer = await this.#send(call);
    } catch (cause) {
      throw kubeErrorOf(cause);
    }
    if (answer.statusCode < 300) return answer;
    const text = await answer.body.text().catch(() => "");
    throw KubeError.of(statusIn(text), answer.statusCode);
  }

  async #send({ method, path, query, body, signal, bodyTimeoutMs }: Call) {
    const { tls, headers } = await this.#access.credentials();
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== "") search.set(name, value);
    }
    return this.#dispatcherFor(tls).request({
      origin: this.#access.server,
      path: `${new URL(this.#access.server).pathname.replace(/\/$/, "")}${path}?${search.toString()}`,
      method,
      headers: {
        ...headers,
        accept: "application/json",
        "user-agent": this.#userAgent,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      body: body === undefined ? null : JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
      headersTimeout: answerTimeoutMs,
      bodyTimeout: bodyTimeoutMs,
    });
  }

  /**
   * One agent for as long as the certificates stay the same; the old one ends with its last
   * request.
   */
  #dispatcherFor(tls: ClusterTls): Agent {
    if (this.#agent !== undefined && isDeepStrictEqual(this.#agent.tls, tls)) {
      return this.#agent.dispatcher;
    }
    void this.#agent?.dispatcher.close();
    const connect = { ...tls, timeout: connectTimeoutMs, keepAliveInitialDelay: 30_000 };
    const dispatcher = new Agent({ connect, allowH2: false });
    this.#agent = { tls, dispatcher };
    return dispatcher;
  }
}

function statusIn(text: string): KubeObject {
  try {
    const status: unknown = JSON.parse(text);
    // Every JSON object can be read as a Status: absent fields are undefined.
    if (typeof status === "object" && status !== null) return status as KubeObject;
  } catch {
    // The text of a proxy, not of the API server.
  }
  return { message: text.slice(0, 200) };
}

function kubeErrorOf(cause: unknown): KubeError {
  if (cause instanceof KubeError) return cause;
  const reason = reasonOf(cause);
  const inner = cause instanceof AggregateError ? String(cause.errors[0]) : "";
  return new KubeError(0, "", reason === "" ? inner : reason);
}

async function* eventsOf(chunks: AsyncIterable<string>): AsyncGenerator<WatchEvent> {
  try {
    // The API server writes one event per line, with a type and an object.
    for await (const line of linesOf(chunks)) yield JSON.parse(line) as WatchEvent;
  } catch (cause) {
    throw kubeErrorOf(cause);
  }
}

async function* linesOf(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of chunks) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > lineCharsMax) throw new Error(`a line of over ${lineCharsMax} characters`);
    for (const line of lines) if (line !== "") yield line;
  }
}

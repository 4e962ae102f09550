import { randomUUID } from "node:crypto";
import type { HeaderChange } from "../../../core/decision.ts";
import type { Refusal } from "../../../core/errors.ts";
import { headerTable } from "../../../core/headers.ts";
import type { RequestHead } from "../../../core/request.ts";
import { parseTraceParent, traceHeaders, traceParentOf } from "../../../core/trace-context.ts";
import type { RandomHex } from "../../../std/random-hex.ts";
import type { Client } from "./client.ts";
import { targetMistakeIn } from "./entry/head-mistakes.ts";
import { isHopByHop, namedByConnection } from "./hop-by-hop.ts";

/** An id that fits into a header and a line of a log. */
const usableId = /^[\x21-\x7e]{1,256}$/u;

/** Headers that the gateway replaces, or that belong to the connection to the engine. */
const replaced = new Set([
  "content-length",
  "expect",
  "host",
  "trailer",
  "x-forwarded-for",
  headerTable.forwardedHost.name,
  headerTable.forwardedProto.name,
  "x-request-id",
]);

const traceBytes = 16;
const spanBytes = 8;

export interface HeadOptions {
  /** For the ids of traces. */
  readonly random: RandomHex;
  /** True to keep the `X-Forwarded` headers of clients. */
  readonly trustsForwarded: boolean;
  /** True if the data plane decides which traces are sampled; without it, those that begin here are. */
  readonly hasSampler?: boolean;
}

/** The head of a client's request: as the pipeline reads it, and as engines get it. */
export class ClientHead implements RequestHead {
  readonly id: string;
  readonly method: string;
  readonly path: string;
  readonly #values: Map<string, string>;
  #keyName: string | undefined;
  readonly subset = undefined;
  /** The reason that servers may not serve the request; undefined if they may. */
  readonly mistake: Refusal | undefined;
  /** Names and values in turn, for any endpoint. */
  readonly #sent: string[] = [];

  constructor(client: Client, options: HeadOptions) {
    this.method = client.method;
    this.path = client.path;
    const { rawHeaders } = client;
    const values = valuesOf(rawHeaders);
    // The pipeline takes the model of an upgrade from its query. Engines take that of any other request from its body.
    if (client.upgrade === undefined) values.delete("upgrade");
    this.#values = values;
    const named = namedByConnection(joined("connection", rawHeaders, values));
    let hosts = 0;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      const name = rawHeaders[index] ?? "";
      const lowerName = name.toLowerCase();
      if (lowerName === "host") hosts += 1;
      if (isHopByHop(lowerName) || replaced.has(lowerName) || named.has(lowerName)) continue;
      this.#sent.push(name, rawHeaders[index + 1] ?? "");
    }
    this.mistake = client.mistake ?? mistakeIn(client, hosts);
    const ownId = values.get("x-request-id");
    this.id = ownId !== undefined && usableId.test(ownId) ? ownId : randomUUID();
    this.#sent.push("x-request-id", this.id);
    this.#trace(client, options);
    this.#forwarded(client, values, options.trustsForwarded);
  }

  get headers(): ReadonlyMap<string, string> {
    return this.#values;
  }

  /** Name of the API key that the client has shown; undefined if it has shown none. */
  get keyName(): string | undefined {
    return this.#keyName;
  }

  /** The name of an API key replaces the identity that the client claims, and the headers `removed` go no further. */
  identifyAs(keyName: string, removed: readonly string[]): void {
    const { name, olderName } = headerTable.fairnessId;
    this.#keyName = keyName;
    for (const each of [...removed, name, olderName]) {
      if (this.#values.delete(each)) this.#drop(each);
    }
    this.#values.set(name, keyName);
    this.#sent.push(name, keyName);
  }

  /** Headers for one endpoint. */
  sentTo({ set, removed }: HeaderChange): string[] {
    if (set.length === 0 && removed.length === 0) return this.#sent;
    const changed = new Set([...removed, ...set.map(([name]) => name)]);
    const sent: string[] = [];
    for (let index = 0; index < this.#sent.length; index += 2) {
      const name = this.#sent[index] ?? "";
      if (!changed.has(name.toLowerCase())) sent.push(name, this.#sent[index + 1] ?? "");
    }
    for (const [name, value] of set) sent.push(name, value);
    return sent;
  }

  /**
   * The client's trace goes on; a request without one begins one, so that engines and logs can be joined. Of a
   * `traceparent` that is repeated or invalid, nothing goes on.
   */
  #trace({ rawHeaders }: Client, { random, hasSampler = false }: HeadOptions): void {
    const values = this.#values;
    const { parent, state } = traceHeaders;
    const given = joined(parent, rawHeaders, values);
    if (given !== undefined && parseTraceParent(given) !== undefined) return;
    if (given !== undefined) {
      for (const name of [parent, state]) if (values.delete(name)) this.#drop(name);
    }
    const ids = random.next(traceBytes + spanBytes);
    const [traceId, spanId] = [ids.slice(0, 2 * traceBytes), ids.slice(2 * traceBytes)];
    this.#sent.push(parent, traceParentOf({ traceId, spanId, isSampled: !hasSampler }));
  }

  #forwarded(client: Client, values: Map<string, string>, isTrusted: boolean): void {
    const before = (name: string) => (isTrusted ? values.get(name) : undefined);
    const chain = isTrusted ? joined("x-forwarded-for", client.rawHeaders, values) : undefined;
    const forwardedFor = chain === undefined ? client.address : `${chain}, ${client.address}`;
    const { forwardedHost, forwardedProto } = headerTable;
    const host = before(forwardedHost.name) ?? client.authority;
    const proto = before(forwardedProto.name) ?? (client.isEncrypted ? "https" : "http");
    // The pipeline tells clients apart by their address.
    values.set("x-forwarded-for", forwardedFor);
    this.#sent.push("x-forwarded-for", forwardedFor, forwardedProto.name, proto);
    if (host !== "") this.#sent.push(forwardedHost.name, host);
  }

  #drop(lowerName: string): void {
    for (let index = this.#sent.length - 2; index >= 0; index -= 2) {
      if (this.#sent[index]?.toLowerCase() === lowerName) this.#sent.splice(index, 2);
    }
  }
}

function mistakeIn({ path, authority }: Client, hosts: number): Refusal | undefined {
  const message = targetMistakeIn({ path, authority, hosts });
  return message === undefined ? undefined : { code: "malformed_request", message };
}

/** The first value of each header, by its name in lower case. */
function valuesOf(rawHeaders: readonly string[]): Map<string, string> {
  const values = new Map<string, string>();
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const lowerName = (rawHeaders[index] ?? "").toLowerCase();
    if (!values.has(lowerName)) values.set(lowerName, rawHeaders[index + 1] ?? "");
  }
  return values;
}

/** All values of a header that may be repeated; undefined if there are none. */
function joined(
  lowerName: string,
  rawHeaders: readonly string[],
  values: ReadonlyMap<string, string>,
): string | undefined {
  const first = values.get(lowerName);
  if (first === undefined) return undefined;
  const all: string[] = [];
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === lowerName) all.push(rawHeaders[index + 1] ?? "");
  }
  return all.length === 1 ? first : all.join(", ");
}

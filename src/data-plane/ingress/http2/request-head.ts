import { ConnectionError, errorCode } from "./frame-types.ts";
import type { FieldSink } from "./hpack/decoder.ts";
import type { HeaderField } from "./hpack/header-field.ts";

/** Bytes of the headers of one request, as tables of header compression count them. */
export const headerListBytesMax = 65_536;

/** Bytes of such a list beyond which a block is an attack: a few bytes of it stand for many. */
const bombBytesMax = 4 * headerListBytesMax;

/** The headers of a request that a gRPC server looks at. */
export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly contentType: string | undefined;
  /** `grpc-timeout` */
  readonly timeout: string | undefined;
  /** `grpc-encoding` */
  readonly encoding: string | undefined;
  /** `content-length`; -1 without one. */
  readonly bodyBytes: number;
}

/** Headers of one connection, which HTTP/2 does not have (RFC 9113, section 8.2.2). */
const connectionHeaders: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);

const colon = 0x3a;
const digits = /^\d{1,15}$/;

/** Gathers the headers of one request after another, and judges them by RFC 9113, section 8. */
export class HeadReader implements FieldSink {
  #method: string | undefined;
  #path: string | undefined;
  #scheme: string | undefined;
  #hasAuthority = false;
  #contentType: string | undefined;
  #timeout: string | undefined;
  #encoding: string | undefined;
  #bodyBytes = -1;
  #hasRegular = false;
  #isMalformed = false;
  #listBytes = 0;

  begin(): void {
    this.#method = undefined;
    this.#path = undefined;
    this.#scheme = undefined;
    this.#hasAuthority = false;
    this.#contentType = undefined;
    this.#timeout = undefined;
    this.#encoding = undefined;
    this.#bodyBytes = -1;
    this.#hasRegular = false;
    this.#isMalformed = false;
    this.#listBytes = 0;
  }

  field(field: HeaderField): void {
    this.#listBytes += field.bytes;
    if (this.#listBytes > bombBytesMax) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "headers that expand too far");
    }
    if (!field.isAllowed) this.#isMalformed = true;
    else if (field.name.charCodeAt(0) === colon) this.#pseudo(field.name, field.value);
    else {
      this.#hasRegular = true;
      this.#regular(field.name, field.value);
    }
  }

  /** Bytes of the list of headers so far. */
  get listBytes(): number {
    return this.#listBytes;
  }

  /** The head of a request; undefined if it is malformed. */
  head(): RequestHead | undefined {
    const method = this.#method;
    const path = this.#path;
    if (this.#isMalformed || method === undefined) return undefined;
    if (path === undefined || path === "" || this.#scheme === undefined) return undefined;
    return {
      method,
      path,
      contentType: this.#contentType,
      timeout: this.#timeout,
      encoding: this.#encoding,
      bodyBytes: this.#bodyBytes,
    };
  }

  /** True if what was read may be the trailers of a request. */
  get areTrailers(): boolean {
    return (
      !this.#isMalformed &&
      !this.#hasAuthority &&
      (this.#method ?? this.#path ?? this.#scheme) === undefined
    );
  }

  #pseudo(name: string, value: string): void {
    // Pseudo-headers come first, and each of them once.
    if (this.#hasRegular) this.#isMalformed = true;
    if (name === ":method") {
      if (this.#method !== undefined) this.#isMalformed = true;
      this.#method = value;
    } else if (name === ":path") {
      if (this.#path !== undefined) this.#isMalformed = true;
      this.#path = value;
    } else if (name === ":scheme") {
      if (this.#scheme !== undefined) this.#isMalformed = true;
      this.#scheme = value;
    } else if (name === ":authority") {
      if (this.#hasAuthority) this.#isMalformed = true;
      this.#hasAuthority = true;
    } else {
      this.#isMalformed = true;
    }
  }

  #regular(name: string, value: string): void {
    if (name === "content-type") this.#contentType ??= value;
    else if (name === "grpc-timeout") this.#timeout ??= value;
    else if (name === "grpc-encoding") this.#encoding ??= value;
    else if (name === "content-length") this.#length(value);
    else if (name === "te") this.#isMalformed ||= value !== "trailers";
    else if (connectionHeaders.has(name)) this.#isMalformed = true;
  }

  #length(value: string): void {
    const isOther = this.#bodyBytes !== -1 && this.#bodyBytes !== Number(value);
    if (isOther || !digits.test(value)) this.#isMalformed = true;
    else this.#bodyBytes = Number(value);
  }
}

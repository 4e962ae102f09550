import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { ApiKey } from "../../../../core/api-key.ts";
import type { HeaderValues } from "../../../../core/request.ts";
import type { Clock } from "../../../../std/clock.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Headers in which clients send their keys, in lower case. */
export const credentialHeaders = ["authorization", "x-api-key", "api-key"] as const;

/** Longer ones are not keys. */
const credentialCharactersMax = 4_096;

const secretBytes = 32;

/** The use of one key since it was read. */
export interface KeyUse {
  readonly requests: TokenBucket | undefined;
  readonly tokens: TokenBucket | undefined;
  requestsTotal: number;
  refusedTotal: number;
  tokensTotal: number;
}

interface Entry {
  readonly key: ApiKey;
  readonly digest: Buffer;
}

/** The keys in force, and their use. */
export class ApiKeys {
  readonly #clock: Pick<Clock, "nowMs">;
  /** Entries are found by a keyed hash of the digest, so that the time of a look-up tells a client nothing. */
  readonly #secret = randomBytes(secretBytes);
  #entries: ReadonlyMap<string, Entry> = new Map();
  #uses: ReadonlyMap<string, KeyUse> = new Map();

  constructor(keys: readonly ApiKey[], clock: Pick<Clock, "nowMs">) {
    this.#clock = clock;
    this.replace(keys);
  }

  get size(): number {
    return this.#uses.size;
  }

  /** By the names of keys. */
  get uses(): ReadonlyMap<string, KeyUse> {
    return this.#uses;
  }

  /** Puts these keys in force. A key keeps its use if it keeps its name, and its buckets if it keeps its limits. */
  replace(keys: readonly ApiKey[]): void {
    const entries = new Map<string, Entry>();
    for (const key of keys) {
      for (const hex of key.digests) {
        const digest = Buffer.from(hex, "hex");
        entries.set(this.#placeOf(digest), { key, digest });
      }
    }
    this.#uses = new Map(keys.map((key) => [key.name, this.#useOf(key)]));
    this.#entries = entries;
  }

  /** `missing`: the request has no credential at all. */
  keyOf(headers: HeaderValues): ApiKey | "missing" | "unknown" {
    let found: ApiKey | "missing" | "unknown" = "missing";
    for (const name of credentialHeaders) {
      const credential = credentialIn(name, headers.get(name));
      if (credential === undefined) continue;
      const key = this.#keyWith(credential);
      if (key !== undefined) return key;
      found = "unknown";
    }
    return found;
  }

  #keyWith(credential: string): ApiKey | undefined {
    const digest = createHash("sha256").update(credential).digest();
    const entry = this.#entries.get(this.#placeOf(digest));
    return entry !== undefined && timingSafeEqual(entry.digest, digest) ? entry.key : undefined;
  }

  #placeOf(digest: Buffer): string {
    return createHmac("sha256", this.#secret).update(digest).digest("latin1");
  }

  #useOf({ name, requestsPerMinute, tokensPerMinute }: ApiKey): KeyUse {
    const before = this.#uses.get(name);
    const bucket = (perMinute: number | undefined, old: TokenBucket | undefined) => {
      if (perMinute === undefined) return undefined;
      return old?.perMinute === perMinute ? old : new TokenBucket(perMinute, this.#clock);
    };
    return {
      requestsTotal: before?.requestsTotal ?? 0,
      refusedTotal: before?.refusedTotal ?? 0,
      tokensTotal: before?.tokensTotal ?? 0,
      requests: bucket(requestsPerMinute, before?.requests),
      tokens: bucket(tokensPerMinute, before?.tokens),
    };
  }
}

function credentialIn(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === "" || value.length > credentialCharactersMax) {
    return undefined;
  }
  if (name !== "authorization") return value.trim();
  return /^bearer +(\S+) *$/iu.exec(value)?.[1];
}

import { isDeepStrictEqual } from "node:util";
import { Backoff, jittered } from "../../std/backoff.ts";
import type { Clock } from "../../std/clock.ts";
import type { Random } from "../../std/random.ts";
import { type KubeApi, KubeError, type KubeList, type KubeObject } from "./kube-api.ts";

/** Objects of one page of a list. */
const pageObjects = 250;
/** The server ends a watch after this time, or up to twice as long, and we start the next one. */
const watchSecondsMin = 60;
const pauseMs = { firstMs: 100, maxMs: 5_000 };
/** Interval of checks if a kind is installed by now, or may be read. */
const absentPauseMs = 4_000;
const forbiddenPauseMs = 15_000;
/**
 * Refusals are believed after this time: a starting API server answers 404 for custom resources
 * until it has read their definitions, and 401 or 403 until it has read roles and accounts.
 */
const refusedAfterMs = 20_000;

/** Sync state of a collection. */
export type ReflectorState =
  /** Not read yet. */
  | "unread"
  /** Read; contact may be lost at the moment. */
  | "synced"
  /** The API server does not know the kind. */
  | "absent"
  /** The picker may not read it. */
  | "forbidden";

/** Status of a collection. */
export interface FollowedKind {
  readonly what: string;
  readonly state: ReflectorState;
  /** Monotonic milliseconds of the last answer or event from the API server. */
  readonly contactAtMs: number | undefined;
  /** The reason why there is no contact now; undefined if there is. */
  readonly failure: string | undefined;
  /** `pods`, `inferencepools.inference.networking.k8s.io`: the name that `kubectl` uses. */
  readonly resource: string;
  readonly counts: ReflectorCounts;
}

/** Counts of requests for a collection, since the start. */
interface ReflectorCounts {
  /**
   * Complete lists. More than one a day means that watches do not last, or are too old to continue
   * from.
   */
  readonly lists: number;
  /** Changes and bookmarks from watches. */
  readonly events: number;
  /**
   * Lists and watches that failed or were refused; polling for a kind that is not installed is not
   * counted.
   */
  readonly failures: number;
}

interface ReflectorLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface ReflectorDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: ReflectorLog;
}

export interface ReflectedKind<T> {
  /** The watched collection, for people: `Pods of default with app=vllm`. */
  readonly what: string;
  /** Path of the collection. */
  readonly path: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** The part of an object to keep; undefined for an object that is not needed. */
  readonly keep: (object: KubeObject) => T | undefined;
  /** Called when a kept object or the state has changed. */
  readonly onChange: () => void;
}

/**
 * A collection of the API server, kept up to date: listed page by page, then watched from that
 * version.
 *
 * Known objects survive a loss of the connection. They are replaced once the API server has been
 * listed again; objects deleted in between are removed then.
 */
export class Reflector<T> {
  readonly #kind: ReflectedKind<T>;
  readonly #deps: ReflectorDeps;
  readonly #backoff: Backoff;
  #items = new Map<string, T>();
  #state: ReflectorState = "unread";
  /** The version to watch from; undefined if a list has to come first. */
  #resourceVersion: string | undefined;
  #contactAtMs: number | undefined;
  #failure: string | undefined;
  /** Monotonic milliseconds of the first of the refusals that followed one another until now. */
  #refusedAtMs: number | undefined;
  readonly #counts = { lists: 0, events: 0, failures: 0 };

  constructor(kind: ReflectedKind<T>, deps: ReflectorDeps) {
    this.#kind = kind;
    this.#deps = deps;
    this.#backoff = new Backoff(pauseMs, deps.random);
  }

  /** By `namespace/name`. */
  get items(): ReadonlyMap<string, T> {
    return this.#items;
  }

  get state(): ReflectorState {
    return this.#state;
  }

  /** Status for people. */
  get status(): FollowedKind {
    const { what, path } = this.#kind;
    return {
      what,
      state: this.#state,
      contactAtMs: this.#contactAtMs,
      failure: this.#failure,
      resource: resourceOf(path),
      counts: { ...this.#counts },
    };
  }

  /** Follows the collection. Resolves when `signal` has aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    while (!signal.aborted) {
      // Each round continues from the end of the one before.
      const waitMs = await this.#round(signal).catch((cause: unknown) =>
        signal.aborted ? 0 : this.#failed(cause),
      );
      if (waitMs > 0) await clock.sleep(waitMs, signal);
    }
  }

  /**
   * Lists if needed, then watches until the watch ends. Returns the milliseconds to wait before the
   * next round.
   */
  async #round(signal: AbortSignal): Promise<number> {
    if (this.#resourceVersion === undefined) await this.#list(signal);
    const { path, labelSelector, fieldSelector } = this.#kind;
    const seconds = Math.ceil(watchSecondsMin * (1 + this.#deps.random()));
    const query = {
      labelSelector,
      fieldSelector,
      resourceVersion: this.#resourceVersion,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
    };
    const events = await this.#deps.api.watch(path, query, signal);
    const sinceMs = this.#deps.clock.nowMs();
    this.#contact();
    for await (const { type, object } of events) {
      this.#contact();
      this.#counts.events += 1;
      this.#apply(type, object);
      this.#backoff.reset();
    }
    // Do not retry in a tight loop if a server ends watches at once.
    if (this.#deps.clock.nowMs() - sinceMs <= pauseMs.maxMs) return this.#backoff.next();
    this.#backoff.reset();
    return 0;
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { path, labelSelector, fieldSelector, keep } = this.#kind;
    const items = new Map<string, T>();
    let cursor: string | undefined;
    let resourceVersion: string | undefined;
    do {
      const query = { labelSelector, fieldSelector, limit: String(pageObjects), continue: cursor };
      // A page has the token of the next one.
      const page = (await this.#deps.api.get(path, query, signal)) as KubeList;
      for (const object of page.items ?? []) {
        const item = keep(object);
        if (item !== undefined) items.set(keyOf(object), this.#sameOr(keyOf(object), item));
      }
      resourceVersion = page.metadata?.resourceVersion;
      cursor = page.metadata?.continue || undefined;
    } while (cursor !== undefined);
    this.#resourceVersion = resourceVersion;
    this.#contact();
    this.#counts.lists += 1;
    this.#replace(items, "synced");
  }

  #apply(type: string, object: KubeObject): void {
    switch (type) {
      case "ADDED":
      case "MODIFIED": {
        const item = this.#kind.keep(object);
        if (item === undefined) this.#delete(keyOf(object));
        else this.#set(keyOf(object), item);
        break;
      }
      case "DELETED":
        this.#delete(keyOf(object));
        break;
      case "ERROR":
        throw KubeError.of(object, 500);
      // A bookmark, or an event of an unknown type, only moves the version to continue from.
    }
    this.#resourceVersion = object.metadata?.resourceVersion ?? this.#resourceVersion;
  }

  #set(key: string, item: T): void {
    const kept = this.#sameOr(key, item);
    if (kept === this.#items.get(key)) return;
    this.#items.set(key, kept);
    this.#kind.onChange();
  }

  #delete(key: string): void {
    if (this.#items.delete(key)) this.#kind.onChange();
  }

  /** The object that is already kept, if none of its kept fields has changed. */
  #sameOr(key: string, item: T): T {
    const kept = this.#items.get(key);
    return kept !== undefined && isDeepStrictEqual(kept, item) ? kept : item;
  }

  #replace(items: Map<string, T>, state: ReflectorState): void {
    const isSame =
      state === this.#state &&
      items.size === this.#items.size &&
      [...items].every(([key, item]) => this.#items.get(key) === item);
    this.#items = items;
    this.#state = state;
    if (!isSame) this.#kind.onChange();
  }

  #contact(): void {
    this.#contactAtMs = this.#deps.clock.nowMs();
    this.#refusedAtMs = undefined;
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#deps.log.info({ kind: this.#kind.what }, "watch restored");
  }

  /** Notes a failure; returns the milliseconds until the next try. */
  #failed(cause: unknown): number {
    const error = cause instanceof KubeError ? cause : new KubeError(0, "", String(cause));
    switch (error.httpStatus) {
      case 410:
        this.#deps.log.info({ kind: this.#kind.what }, "watch expired; relist started");
        this.#resourceVersion = undefined;
        return jittered(pauseMs.firstMs, this.#deps.random);
      case 404:
        return this.#absent(error);
      case 401:
      case 403:
        this.#note(error.message);
        if (this.#state !== "synced") this.#replace(new Map(), "forbidden");
        return this.#noteRefusal()
          ? jittered(forbiddenPauseMs, this.#deps.random)
          : this.#backoff.next();
      default:
        this.#refusedAtMs = undefined;
        this.#note(error.message);
        return this.#backoff.next();
    }
  }

  /** Notes a refusal. Returns true if the API server has refused for so long that it is believed. */
  #noteRefusal(): boolean {
    const nowMs = this.#deps.clock.nowMs();
    this.#refusedAtMs ??= nowMs;
    return nowMs - this.#refusedAtMs >= refusedAfterMs;
  }

  #absent({ message }: KubeError): number {
    this.#resourceVersion = undefined;
    if (this.#state === "synced" && !this.#noteRefusal()) {
      this.#note(message);
      return this.#backoff.next();
    }
    if (this.#state !== "absent") {
      this.#deps.log.info({ kind: this.#kind.what }, "resource kind not installed");
    }
    this.#failure = undefined;
    this.#replace(new Map(), "absent");
    return jittered(absentPauseMs, this.#deps.random);
  }

  /** Reports a lost contact once, not at every try. */
  #note(reason: string): void {
    this.#counts.failures += 1;
    if (this.#failure === undefined) {
      this.#deps.log.warn(
        { kind: this.#kind.what, reason },
        this.#state === "synced" ? "watch lost" : "watch not started",
      );
    }
    this.#failure = reason;
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
}

/** `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL`, or `/api/VERSION/…` of the core group. */
function resourceOf(path: string): string {
  const [, root, group] = path.split("/");
  const plural = path.slice(path.lastIndexOf("/") + 1);
  return root === "apis" ? `${plural}.${group}` : plural;
}

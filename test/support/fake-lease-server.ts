import {
  type KubeApi,
  KubeError,
  type KubeObject,
  type WatchEvent,
} from "../../src/control-plane/kubernetes/kube-api.ts";
import type { Clock } from "../../src/std/clock.ts";

/** How one client fares with the server. */
export interface Link {
  /** `refused`: fails at once. `silent`: nothing arrives and nothing comes back. */
  state: "up" | "refused" | "silent";
  /** One way, in milliseconds. */
  latencyMs: number;
  /** Requests arrive and take effect, and their answers never come. */
  losesAnswers: boolean;
  /** What is refused with 403. */
  forbidden: ReadonlySet<"get" | "create" | "replace" | "watch">;
}

/** An API server that holds one Lease, as far as an election can tell it from a real one. */
export class FakeLeaseServer {
  readonly #clock: Clock;
  readonly #events: WatchEvent[] = [];
  readonly #watches = new Set<() => void>();
  #version = 100;
  lease: KubeObject | undefined;
  hasNamespace = true;
  /** Writes that took effect. */
  writes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get spec(): Readonly<Record<string, unknown>> {
    return (this.lease?.["spec"] ?? {}) as Readonly<Record<string, unknown>>;
  }

  get holder(): unknown {
    return this.spec["holderIdentity"];
  }

  /** What somebody else writes, without regard to who holds it. */
  put(lease: KubeObject): void {
    this.#store(this.lease === undefined ? "ADDED" : "MODIFIED", lease);
  }

  delete(): void {
    if (this.lease === undefined) return;
    this.#store("DELETED", this.lease);
    this.lease = undefined;
  }

  /** A client of its own, and the link that it has. */
  client(): {
    readonly api: KubeApi;
    readonly link: Link;
    readonly cut: (state: "refused" | "silent") => void;
  } {
    const link: Link = { state: "up", latencyMs: 1, losesAnswers: false, forbidden: new Set() };
    const watches = new Set<Watch>();
    const allowed = (verb: "get" | "create" | "replace" | "watch") => {
      if (link.forbidden.has(verb)) throw new KubeError(403, "Forbidden", `cannot ${verb} leases`);
    };
    const call = <T>(work: () => T, signal?: AbortSignal) => this.#call(link, work, signal);
    return {
      link,
      cut: (state) => {
        link.state = state;
        for (const watch of watches) watch.end();
      },
      api: {
        get: (path, _query, signal) =>
          call(() => {
            allowed(path.endsWith("/leases") ? "watch" : "get");
            return path.endsWith("/leases") ? this.#list() : this.#get();
          }, signal),
        create: ({ body }, signal) =>
          call(() => {
            allowed("create");
            return this.#create(body);
          }, signal),
        replace: ({ body }, signal) =>
          call(() => {
            allowed("replace");
            return this.#replace(body);
          }, signal),
        watch: (_path, { resourceVersion }, signal) =>
          call(() => {
            allowed("watch");
            const watch = new Watch(link, this.#clock);
            const feed = () => watch.feed(this.#events, Number(resourceVersion));
            watches.add(watch);
            this.#watches.add(feed);
            feed();
            signal.addEventListener("abort", () => watch.end());
            return watch.events(() => {
              watches.delete(watch);
              this.#watches.delete(feed);
            });
          }, signal),
      },
    };
  }

  /** Runs `work` when a request has arrived, also one whose sender waits no more. */
  #call<T>(link: Link, work: () => T, signal?: AbortSignal): Promise<T> {
    const { latencyMs } = link;
    return new Promise((resolve, reject) => {
      // The reason of an abort is what the request fails with.
      const abort = () => reject(signal?.reason);
      if (signal?.aborted === true) abort();
      signal?.addEventListener("abort", abort, { once: true });
      if (link.state === "refused") reject(new KubeError(0, "", "connection refused"));
      if (link.state !== "up") return;
      this.#clock.after(latencyMs, () => {
        let settle: () => void;
        try {
          const answer = work();
          settle = () => resolve(answer);
        } catch (cause) {
          settle = () => reject(cause instanceof Error ? cause : new Error(String(cause)));
        }
        if (link.losesAnswers) return;
        this.#clock.after(latencyMs, () => link.state === "up" && settle());
      });
    });
  }

  #get(): KubeObject {
    if (this.lease === undefined || !this.hasNamespace) throw notFound("the lease");
    return this.lease;
  }

  #list(): KubeObject {
    return {
      items: this.lease === undefined ? [] : [this.lease],
      metadata: { resourceVersion: String(this.#version) },
    };
  }

  #create(body: KubeObject): KubeObject {
    if (!this.hasNamespace) throw notFound("the namespace");
    if (this.lease !== undefined) throw new KubeError(409, "AlreadyExists", "it is there already");
    return this.#write("ADDED", body);
  }

  #replace(body: KubeObject): KubeObject {
    const { metadata } = this.#get();
    if (body.metadata?.resourceVersion !== metadata?.resourceVersion) {
      throw new KubeError(409, "Conflict", "it has been changed");
    }
    return this.#write("MODIFIED", body);
  }

  #write(type: string, body: KubeObject): KubeObject {
    this.writes += 1;
    return this.#store(type, body);
  }

  #store(type: string, body: KubeObject): KubeObject {
    this.#version += 1;
    const metadata = { ...body.metadata, resourceVersion: String(this.#version) };
    this.lease = { ...body, metadata };
    this.#events.push({ type, object: this.lease });
    for (const feed of this.#watches) feed();
    return this.lease;
  }
}

function notFound(what: string): KubeError {
  return new KubeError(404, "NotFound", `${what} is not there`);
}

/** What one watch still has to deliver. */
class Watch {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #queue: WatchEvent[] = [];
  #fed = 0;
  #isEnded = false;
  #more: () => void = () => undefined;

  constructor(link: Link, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  feed(events: readonly WatchEvent[], since: number): void {
    for (const event of events.slice(this.#fed)) {
      if (Number(event.object.metadata?.resourceVersion) <= since) continue;
      this.#clock.after(this.#link.latencyMs, () => {
        if (this.#link.state !== "up") return;
        this.#queue.push(event);
        this.#more();
      });
    }
    this.#fed = events.length;
  }

  end(): void {
    this.#isEnded = true;
    this.#more();
  }

  async *events(close: () => void): AsyncGenerator<WatchEvent> {
    try {
      while (!this.#isEnded) {
        const event = this.#queue.shift();
        if (event === undefined) {
          await new Promise<void>((resolve) => {
            this.#more = resolve;
          });
        } else {
          yield event;
        }
      }
    } finally {
      close();
    }
  }
}
